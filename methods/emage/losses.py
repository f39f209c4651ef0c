"""What EMAGE is trained on: the codes of the true motion (Liu et al. 2024, sec. 4.3), asked for in three ways.

Legend: B batch, T frames, L channels of a latent, M motion channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.optimisation import Losses
from gesturebench.common.training import PROGRESS
from gesturebench.methods.emage.config import HintsConfig
from gesturebench.methods.emage.network import BODY, AudioModel, Prediction

LATENT_WEIGHT = 3.0
LEAST_HIDDEN = 0.05
RELEASED_STEPS_PER_EPOCH, RELEASED_EPOCHS = 135, 400


@dataclass(frozen=True, eq=False)
class Codes:
    """The true codes of every frame by part: indices (B, T) and latents (B, T, L)."""

    indices: Mapping[str, Tensor]
    latents: Mapping[str, Tensor]

    def frames(self, start: int, stop: int) -> "Codes":
        cut = slice(start, stop)
        return Codes(*({part: x[:, cut] for part, x in group.items()} for group in (self.indices, self.latents)))


def latent_loss(prediction: Prediction, truth: Codes) -> Tensor:
    """3 sum over parts of the mean squared distance between predicted and true latent."""
    errors = [(prediction.latents[part] - truth.latents[part]).square().mean() for part in PART_NAMES]
    return LATENT_WEIGHT * torch.stack(errors).sum()


def code_loss(prediction: Prediction, truth: Codes, parts: Sequence[str] = BODY) -> Tensor:
    """Sum over parts of the mean of -log softmax(logits) at the true code; none of the face, decoded by its latent."""
    losses = [
        torch.nn.functional.cross_entropy(prediction.logits[part].flatten(0, 1).float(), truth.indices[part].flatten())
        for part in parts
    ]
    return torch.stack(losses).sum()


def hidden_share(progress: float, steps: int, rule: str) -> float:
    """Probability that an element of the motion is hidden after `progress` (0 to 1) of a training of `steps`.

    0.05 + 0.95 progress; `released`: 0.05 + 0.95 * 400 step / 135, at most 1.

    >>> hidden_share(0.5, 1000, "growing"), hidden_share(0.0, 1000, "released"), hidden_share(0.001, 1000, "released")
    (0.525, 0.05, 1.0)
    """
    if rule == "released":
        progress = round(progress * steps) / RELEASED_STEPS_PER_EPOCH * RELEASED_EPOCHS
    return min(1.0, LEAST_HIDDEN + (1 - LEAST_HIDDEN) * progress)


def seed_hidden(motion_BTM: Tensor, seed_frames: int) -> Tensor:
    """(B, T, M) bool: everything but the first frames."""
    hidden = torch.ones_like(motion_BTM, dtype=torch.bool)
    hidden[:, :seed_frames] = False
    return hidden


def training_losses(model: AudioModel, batch: Mapping[str, Tensor], hints: HintsConfig, steps: int) -> Losses:
    """Sum over tasks of latent and code losses, in total (`loss`) and by task.

    The batch holds `audio` (B, S), `speaker` (B,), `motion` (B, T, M), `chance` (B, T, M) uniform in [0, 1), the
    progress that `train` adds, and of each part `index_<part>` (B, T) and `latent_<part>` (B, T, L). Speech is heard
    once for all tasks.
    """
    motion, share = batch["motion"], hidden_share(float(batch[PROGRESS][0]), steps, hints.hidden)
    heard = model.hear(batch["audio"])
    truth = Codes(*({part: batch[f"{kind}_{part}"] for part in PART_NAMES} for kind in ("index", "latent")))
    hidden = {"seed": seed_hidden(motion, model.config.seed_frames)}
    hidden["hints"] = hidden["motion"] = batch["chance"] < share
    losses: dict[str, Tensor] = {}
    for task in hints.tasks:
        found = model(heard, batch["speaker"], motion, hidden[task], use_audio=task != "motion")
        latents, codes = latent_loss(found, truth), code_loss(found, truth)
        losses |= {f"{task}_latents": latents, f"{task}_codes": codes}
    return {"loss": torch.stack(list(losses.values())).sum(), **losses}
