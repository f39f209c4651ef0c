"""Segments of the validation split: what the retrieval module is measured on, and which of its weights are kept.

Legend: N segments.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json, writing
from gesturebench.common.fitting import FitContext
from gesturebench.methods.exges.retrieval.base_fitting import cut_split, stored_audio
from gesturebench.methods.exges.retrieval.config import BaseConfig
from gesturebench.methods.exges.retrieval.contrast import RetrievalModule
from gesturebench.methods.exges.retrieval.encoders import Encoded, SegmentEncoder, frame_mask
from gesturebench.methods.exges.retrieval.motion_base import padded
from gesturebench.methods.exges.retrieval.rows import motion_rows

SPLIT = "val"
AT_ONCE = 128
"""Segments that are encoded together where nothing is trained."""
BEST, BEST_WEIGHTS = "best.json", "best.pt"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Sound and motion of N segments, row for row."""

    audio: Sequence[np.ndarray]
    motion: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.audio)


def held_out(context: FitContext, config: BaseConfig) -> HeldOut:
    """The validation segments that could be entries; none where the corpus has no such split."""
    audio, motion = [], []
    for clip in _clips(context, config):
        placed = list(clip.entries(config))
        if placed:
            heard, moved = stored_audio(context, clip.clip_id, config), motion_rows(context.store.motion(clip.clip_id))
            audio += [heard[first : first + count] for _, first, count in placed]
            motion += [moved[first : first + count] for _, first, count in placed]
    return HeldOut(audio, motion)


def _clips(context: FitContext, config: BaseConfig):
    try:
        context.store.split(SPLIT)
    except InputError:  # a corpus without this split
        return []
    return cut_split(context, SPLIT, config)


@torch.no_grad()
def encoded(encoder: SegmentEncoder, parts: Sequence[np.ndarray]) -> list[Encoded]:
    """Blocks of segments, on the device of the encoder."""
    where, blocks = encoder.positions.device, []
    for first in range(0, len(parts), AT_ONCE):
        rows, lengths = padded(parts[first : first + AT_ONCE])
        mask = frame_mask(torch.from_numpy(lengths).to(where), rows.shape[1])
        blocks.append(encoder(torch.from_numpy(rows).to(where), mask))
    return blocks


def vectors(encoder: SegmentEncoder, parts: Sequence[np.ndarray]) -> Tensor:
    """(N, J) unit vectors on the CPU."""
    blocks = [block.vector.float().cpu() for block in encoded(encoder, parts)]
    return torch.cat(blocks) if blocks else torch.zeros(0, encoder.project.out_features)


def own_ranks(similarity_NN: Tensor) -> Tensor:
    """(N,) the rank of each row's own column, from 1; equal similarities share their mean rank, so that a space that is
    a single point scores like chance.

    >>> own_ranks(torch.tensor([[0.9, 0.1], [0.5, 0.5]])).tolist()
    [1.0, 1.5]
    """
    own = similarity_NN.diagonal()[:, None]
    return 1.0 + (similarity_NN > own).sum(1) + ((similarity_NN == own).sum(1) - 1) / 2


def recall_at_10(module: RetrievalModule, data: HeldOut) -> float:
    """The mean of both directions."""
    similarity = vectors(module.audio, data.audio) @ vectors(module.motion, data.motion).T
    return float(sum((own_ranks(s) <= 10).float().mean() for s in (similarity, similarity.T)) / 2)


class BestWeights:
    """A progress callback that measures after every `every` steps and keeps the weights of the best measurement. What
    it knows survives a killed process; measurements that lie behind the step it goes on from are taken again.
    """

    def __init__(self, model: nn.Module, measure: Callable[[], float], every: int, context: FitContext):
        self._model, self._measure, self._every, self._context = model, measure, every, context
        self._measured, self.curve = 0, []
        if self._file(BEST).exists():
            self.curve = read_json(self._file(BEST))

    def __call__(self, done: int, total: int) -> None:
        """Measures first: whoever is asked to stop saves this step as done."""
        if done and (done % self._every == 0 or done == total) and done != self._measured:
            self._measured = done
            self._take(done)
        self._context.progress(done, total)

    def _take(self, done: int) -> None:
        before = [row for row in self.curve if row["step"] < done]
        was_training = self._model.training
        self._model.eval()
        score = self._measure()
        self._model.train(was_training)
        if all(score >= row["recall_at_10"] for row in before):  # of equals the one that was trained for longer
            with writing(self._file(BEST_WEIGHTS)) as part:
                torch.save({name: value.cpu() for name, value in self._model.state_dict().items()}, part)
        self.curve = [*before, {"step": done, "recall_at_10": score}]
        write_json(self._file(BEST), self.curve)

    def take_over(self) -> None:
        """Put the best weights into the model, which lies on the CPU."""
        if self.curve:
            self._model.load_state_dict(torch.load(self._file(BEST_WEIGHTS), weights_only=True))

    def _file(self, name: str) -> Path:
        return self._context.work / name
