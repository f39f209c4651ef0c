"""Diversity as EMAGE-style tables print it: the mean L1 distance of a clip's joints from their own mean position."""

from typing import Any, ClassVar, Literal, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.pairs import Root, checked_pair, joint_positions

Trans = Literal["zero", "kept"]
"""`zero`: the body stays in place (ground truth of speaker 2: 13.074 as printed). `kept`: its way through the room
counts for every joint (27.541 as printed, "with global motion")."""


def absolute_deviation(positions: np.ndarray) -> np.ndarray:
    """(T, C) metres -> |x - mean over frames|."""
    return np.abs(positions - positions.mean(0))


def l1_deviation(positions: np.ndarray) -> float:
    """Sum over frames and coordinates of |x - mean over frames| for one clip, (T, 165) metres.

    >>> l1_deviation(np.array([[0.0, 1.0], [2.0, 1.0]]))
    2.0
    """
    return float(absolute_deviation(positions).sum())


class L1DivConfig(Config):
    """`root`: whether the rotation of the whole body counts; `trans`: whether its translation does."""

    root: Root = "kept"
    trans: Trans = "zero"


class L1Div(Evaluator):
    """L1div = sum over clips of `l1_deviation` / total frames: a sum over 165 coordinates, a mean over frames.

    Only predictions enter. More is not better: a motion that shakes scores high, so the reading is closeness to the
    ground truth's value.
    """

    name: ClassVar[str] = "l1div"
    Config: ClassVar[type[Config]] = L1DivConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "l1div",
            "L1Div",
            "closer to ground truth",
            2,
            unit="m, summed over 165 coordinates",
            formula="mean over frames of the sum over 55 joints of |x - mean over the clip|_1",
            scales={"EMAGE": 1.0, "RAG-Gesture": 1.0},
            source="Liu et al. 2024 (EMAGE), printed there as Diversity, higher marked as better",
        ),
    )

    def reset(self) -> None:
        self.deviation, self.frames, self.clips = 0.0, 0, 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        positions = joint_positions(self.store.joints, checked_pair(prediction, clip), clip, self.config.root)
        if self.config.trans == "kept":
            positions = positions + np.tile(prediction.trans, N_JOINTS)
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
