"""Diversity as EMAGE-style tables print it: the mean L1 distance of a clip's joints from their own mean position."""

from typing import Any, ClassVar, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.pairs import Root, checked_pair, joint_positions


def l1_deviation(positions: np.ndarray) -> float:
    """Sum over frames and coordinates of |x - mean over frames| for one clip, (T, 165) metres.

    >>> l1_deviation(np.array([[0.0, 1.0], [2.0, 1.0]]))
    2.0
    """
    return float(np.abs(positions - positions.mean(0)).sum())


class L1DivConfig(Config):
    """`root`: whether the rotation of the whole body counts."""

    root: Root = "kept"


class L1Div(Evaluator):
    """L1div = sum over clips of `l1_deviation` / total frames: a sum over 165 coordinates, a mean over frames.

    Only predictions enter. More is not better: a motion that shakes scores high, so the reading is closeness to the
    ground truth's value.
    """

    name: ClassVar[str] = "l1div"
    Config: ClassVar[type[Config]] = L1DivConfig
    columns: ClassVar[tuple[Column, ...]] = (Column("l1div", "L1Div", "closer to ground truth", 2),)

    def reset(self) -> None:
        self.deviation, self.frames, self.clips = 0.0, 0, 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        positions = joint_positions(self.store.joints, checked_pair(prediction, clip), clip, self.config.root)
        deviation = l1_deviation(positions)
        self.deviation += deviation
        self.frames += len(positions)
        self.clips += 1
        return {"l1div": deviation / len(positions)}

    def merge(self, other: Self) -> None:
        self.deviation += other.deviation
        self.frames += other.frames
        self.clips += other.clips

    def compute(self) -> dict[str, Any]:
        if not self.clips:
            raise InputError(
                "l1div of no clips", expected="at least one pair", remedy="generate motions for the split first"
            )
        return {"l1div": self.deviation / self.frames, "n": self.clips, "frames": self.frames}
