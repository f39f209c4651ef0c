"""The retrieval module, and the same in training: online networks, their momentum copies and the queues.

Legend: B segments, T frames of the longest, A and M features of sound and motion.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from gesturebench.methods.exges.retrieval import albef
from gesturebench.methods.exges.retrieval.config import ContrastConfig, NetworkConfig
from gesturebench.methods.exges.retrieval.encoders import Encoded, SegmentEncoder, frame_mask
from gesturebench.methods.exges.retrieval.matching import MatchingHead

MODALITIES = "audio", "motion"


class RetrievalModule(nn.Module):
    """Encoders of sound and motion, the head that judges pairs, and the learnt temperature."""

    def __init__(self, config: NetworkConfig, audio: int, motion: int, frames: int, temperature: float):
        """`audio` and `motion` features of a frame; no segment has more than `frames`."""
        super().__init__()
        self.audio = SegmentEncoder(audio, frames, config)
        self.motion = SegmentEncoder(motion, frames, config)
        self.head = MatchingHead(config)
        self.temperature = nn.Parameter(torch.tensor(temperature))

    def matches(self, audio: Encoded, motion: Encoded) -> Tensor:
        """(B, 2) logits of pairs; 1 is a match."""
        return self.head(motion.tokens, motion.mask, audio.tokens, audio.mask)


class TaughtModule(nn.Module):
    """A retrieval module that is being trained."""

    def __init__(
        self,
        module: RetrievalModule,
        config: ContrastConfig,
        epochs: float,
        gathered: Callable[[Tensor], Tensor] = lambda rows: rows,
    ):
        """`epochs` the training takes in all; `gathered` rows of all processes, where several train."""
        super().__init__()
        self.config, self._epochs, self._gathered = config, epochs, gathered
        self.module = module
        self.teacher = nn.ModuleDict({"audio": deepcopy(module.audio), "motion": deepcopy(module.motion)})
        self.teacher.requires_grad_(False)
        self.queues = albef.Queues(config.queue, module.audio.project.out_features)

    def train(self, mode: bool = True) -> "TaughtModule":
        """The teacher never drops anything: what it says is not to be noise."""
        super().train(mode)
        self.teacher.eval()
        return self

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One step of Li et al. 2021: momentum update, contrast, queues, matching of hard negatives."""
        tau, ids = self._temperature(), batch["entry"]
        mask = frame_mask(batch["frames"], batch["audio"].shape[1])
        audio, motion = (getattr(self.module, name)(batch[name], mask) for name in MODALITIES)
        taught = self._taught(batch, mask)
        is_literal, alpha = self.config.loss == "literal", self._alpha(batch["progress"])
        found = albef.contrast(
            (audio.vector, motion.vector), taught, self.queues, ids, tau, 1.0 if is_literal else alpha
        )
        self.queues.enqueue(*(self._gathered(rows) for rows in (*taught, ids)))
        itm = self._matching(audio, motion, found, batch)
        loss = albef.total_loss(found.ita, itm, alpha, self.config.loss)
        values = {"ita": found.ita, "itm": itm, "temperature": tau, "teacher_distance": found.distance}
        return {"loss": loss, **values}

    def _temperature(self) -> Tensor:
        with torch.no_grad():
            self.module.temperature.clamp_(*albef.TEMPERATURES)
        return self.module.temperature

    def _alpha(self, progress: Tensor) -> Tensor:
        """Rising from 0 during the first epoch; constant as the paper's Eq. 7 reads."""
        if self.config.loss == "literal":
            return torch.full_like(progress[0], self.config.alpha)
        return self.config.alpha * (progress[0] * self._epochs).clamp(max=1.0)

    @torch.no_grad()
    def _taught(self, batch: Mapping[str, Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Momentum features, after the momentum update."""
        for name in MODALITIES:
            online = getattr(self.module, name).parameters()
            albef.momentum_update(self.teacher[name].parameters(), online, self.config.momentum)
        audio, motion = (self.teacher[name](batch[name], mask).vector for name in MODALITIES)
        return audio, motion

    def _matching(self, audio: Encoded, motion: Encoded, found: albef.Contrast, batch: Mapping[str, Tensor]) -> Tensor:
        forbidden, has_negative = forbidden_negatives(batch, self.config.apart_s)
        is_hard = self.config.negatives == "hard"
        chosen = [
            albef.drawn(albef.negative_weights(logits if is_hard else 0 * logits, forbidden), batch["coins"][:, k])
            for k, logits in enumerate((found.b_to_a, found.a_to_b))
        ]
        pairs = albef.pairs_to_judge(*chosen)
        logits = self.module.matches(rows_of(audio, pairs.a), rows_of(motion, pairs.b))
        judged = torch.cat((torch.ones_like(has_negative), has_negative, has_negative)).float()
        return albef.matching_loss(logits, pairs.labels, judged)


def rows_of(encoded: Encoded, rows: Tensor) -> Encoded:
    return Encoded(*(values[rows] for values in encoded))


def forbidden_negatives(batch: Mapping[str, Tensor], apart_s: float) -> tuple[Tensor, Tensor]:
    """(B, B) bool: pairs that are no negatives of each other, as they are the same segment or less than `apart_s` from
    each other in one recording; and (B,) bool: rows that have any negative.

    A row without negatives but such neighbours has these.
    """
    start, end, clip, entry = (batch[name] for name in ("start_s", "end_s", "clip", "entry"))
    gap = torch.maximum(start[:, None] - end, start - end[:, None])
    same = entry[:, None] == entry
    near = same | ((clip[:, None] == clip) & (gap < apart_s))
    forbidden = torch.where(near.all(1, keepdim=True), same, near)
    return forbidden, ~same.all(1)
