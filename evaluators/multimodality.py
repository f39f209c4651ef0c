"""MultiModality: how far several motions for the same speech lie apart (RAG-Gesture)."""

from typing import Any, ClassVar, Literal, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.diversity import Origin, average_distance, rooted
from gesturebench.evaluators.pairs import Shape, checked_pair, joint_positions, nothing_scored

Missing = Literal["refuse", "released"]
"""What happens to a clip with too few samples. `refuse`: an error that names it. `released`: as in the released script
the pairs that are there count (0 where there is none) and the divisor stays the number of clips."""


class MultiModalityConfig(Config):
    """`samples` per clip, `missing` ones; `origin` of the coordinates, `shape` of the bodies."""

    samples: int = 5
    missing: Missing = "refuse"
    origin: Origin = "first_frame"
    shape: Shape = "zero"


class MultiModality(Evaluator):
    """MultiModality = mean over clips of the mean over pairs of a clip's samples of |A - B|_F / T.

    `update` is called once per sample, in any order and on any shard. A clip's value is given with its last sample;
    until then its positions are kept.
    """

    name: ClassVar[str] = "multimodality"
    Config: ClassVar[type[Config]] = MultiModalityConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "multimodality",
            "MultiModality",
            "closer to ground truth",
            4,
            unit="m",
            formula="mean over clips of the mean over pairs of 5 samples of |A - B|_F / T, (T, 165) joint positions",
            scales={"RAG-Gesture": 1000.0},
            source="RAG-Gesture (Mughal et al. 2025), multimodality script; mean body, pelvis of the first frame at 0",
        ),
    )

    def reset(self) -> None:
        self.values: dict[str, float] = {}
        self.pending: dict[str, list[np.ndarray]] = {}

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        positions = joint_positions(self.store.joints, prediction, clip, shape=self.config.shape)
        return self._add(clip.id, [rooted(positions, self.config.origin)])

    def merge(self, other: Self) -> None:
        for clip_id in other.values:
            self._refuse_more(clip_id, self.config.samples)
        self.values |= other.values
        for clip_id, samples in other.pending.items():
            self._add(clip_id, samples)

    def compute(self) -> dict[str, Any]:
        if not self.values and not self.pending:
            raise nothing_scored(self.name)
        if self.pending and self.config.missing == "refuse":
            clip_id, samples = min(self.pending.items())
            raise InputError(
                f"multimodality: clip {clip_id} has {len(samples)} samples ({len(self.pending)} clips have too few)",
                expected=str(self.config.samples),
                remedy="generate the others with further seeds, or set samples, or missing: released",
            )
        present = [_spread(samples) for _, samples in sorted(self.pending.items())]
        values = [self.values[clip_id] for clip_id in sorted(self.values)] + present
        return {"multimodality": float(np.mean(values)), "n": len(values), "incomplete": len(self.pending)}

    def _add(self, clip_id: str, samples: list[np.ndarray]) -> dict[str, float]:
        self._refuse_more(clip_id, len(samples))
        known = self.pending.setdefault(clip_id, [])
        known += samples
        if len(known) < self.config.samples:
            return {}
        self.values[clip_id] = _spread(self.pending.pop(clip_id))
        return {"multimodality": self.values[clip_id], "multimodality_n": 1}

    def _refuse_more(self, clip_id: str, more: int) -> None:
        known = self.config.samples if clip_id in self.values else len(self.pending.get(clip_id, ()))
        if known + more > self.config.samples:
            raise InputError(
                f"multimodality: clip {clip_id} has {known + more} samples",
                expected=str(self.config.samples),
                remedy="set samples to the number that was generated",
            )


def _spread(samples: list[np.ndarray]) -> float:
    return average_distance(np.stack(samples)) if len(samples) > 1 else 0.0
