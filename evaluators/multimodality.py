"""MultiModality: how far several motions for the same speech lie apart (RAG-Gesture)."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.diversity import Origin, average_distance, rooted
from gesturebench.evaluators.pairs import Shape, checked_pair, joint_positions, nothing_scored

Missing = Literal["refuse", "released"]
"""What happens to a unit with too few samples. `refuse`: an error that names it. `released`: as in the released script
the pairs that are there count (0 where there is none) and the divisor stays the number of units."""


class MultiModalityConfig(Config):
    """`samples` per unit, `missing` ones; `origin` of the coordinates, `shape` of the bodies."""

    samples: int = Field(5, ge=2)
    missing: Missing = "refuse"
    origin: Origin = "first_frame"
    shape: Shape = "zero"


class MultiModality(Evaluator):
    """MultiModality = mean over units of the mean over pairs of a unit's samples of |A - B|_F / T.

    `update` is called once per sample, in any order and on any shard. A unit is a clip unless it is named: windows of
    one clip are units of their own. A unit's value is given with its last sample; until then its positions are kept.
    """

    name: ClassVar[str] = "multimodality"
    takes_samples: ClassVar[bool] = True
    Config: ClassVar[type[Config]] = MultiModalityConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "multimodality",
            "MultiModality",
            "closer to ground truth",
            4,
            unit="m",
            formula="mean over units of the mean over pairs of 5 samples of |A - B|_F / T, (T, 165) joint positions",
            scales={"RAG-Gesture": 1000.0},
            source="RAG-Gesture (Mughal et al. 2025), multimodality script; mean body, pelvis of the first frame at 0",
        ),
    )

    def reset(self) -> None:
        self.values: dict[str, float] = {}
        self.pending: dict[str, list[np.ndarray]] = {}

    def update(self, prediction: Motion, clip: Clip, unit: str | None = None) -> dict[str, float]:
        checked_pair(prediction, clip)
        positions = joint_positions(self.store.joints, prediction, clip, shape=self.config.shape)
        return self._add(unit or clip.id, [rooted(positions, self.config.origin)])

    def merge(self, other: Self) -> None:
        for unit in other.values:
            self._refuse_more(unit, self.config.samples)
        self.values |= other.values
        for unit, samples in other.pending.items():
            self._add(unit, samples)

    def compute(self) -> dict[str, Any]:
        if not self.values and not self.pending:
            raise nothing_scored(self.name)
        if self.pending and self.config.missing == "refuse":
            unit = min(self.pending)
            raise InputError(
                f"multimodality: {_told(unit, len(self.pending[unit]))} ({len(self.pending)} have too few)",
                expected=str(self.config.samples),
                remedy="generate the others with further seeds, or set samples, or missing: released",
            )
        present = [_spread(samples) for _, samples in sorted(self.pending.items())]
        values = [self.values[unit] for unit in sorted(self.values)] + present
        return {"multimodality": float(np.mean(values)), "n": len(values), "incomplete": len(self.pending)}

    def _add(self, unit: str, samples: list[np.ndarray]) -> dict[str, float]:
        self._refuse_more(unit, len(samples))
        known = self.pending.setdefault(unit, [])
        _require_one_length(unit, [*known, *samples])
        known += samples
        if len(known) < self.config.samples:
            return {}
        self.values[unit] = _spread(self.pending.pop(unit))
        return {"multimodality": self.values[unit], "multimodality_n": 1}

    def _refuse_more(self, unit: str, more: int) -> None:
        known = self.config.samples if unit in self.values else len(self.pending.get(unit, ()))
        if known + more > self.config.samples:
            raise InputError(
                f"multimodality: {_told(unit, known + more)}",
                expected=str(self.config.samples),
                remedy="set samples to the number that was generated",
            )


def _spread(samples: list[np.ndarray]) -> float:
    return average_distance(np.stack(samples)) if len(samples) > 1 else 0.0


def _told(unit: str, n: int) -> str:
    """A window is told from its clip by its id."""
    return f"{'window' if '/' in unit else 'clip'} {unit} has {n} samples"


def _require_one_length(unit: str, samples: list[np.ndarray]) -> None:
    lengths = {len(positions) for positions in samples}
    if len(lengths) > 1:
        raise InputError(
            f"multimodality: samples of {unit} have {' and '.join(map(str, sorted(lengths)))} frames",
            expected="one length",
            remedy="generate all samples for the same frames",
        )
