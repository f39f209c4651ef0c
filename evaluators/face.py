"""Face error: how far the vertices of a predicted face are from the captured one (MSE and LVD of BEAT2 tables)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.motion.face import FaceModel
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.pairs import checked_pair, nothing_scored


@dataclass(frozen=True)
class FaceErrors:
    """Sums over the frames and coordinates of one clip, from d = predicted - captured vertices (T, C) in metres.

    `squared` = sum d^2, `late` = sum |d| without the first frame, `steps` = sum |d[t+1] - d[t]|.
    """

    frames: int
    coordinates: int
    squared: float
    late: float
    steps: float

    @classmethod
    def of(cls, differences: Iterable[np.ndarray], coordinates: int) -> "FaceErrors":
        """From consecutive pieces (t, C') of d; the `coordinates` - C' that are left out are zero.

        >>> FaceErrors.of([np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]])], 2)
        FaceErrors(frames=2, coordinates=2, squared=11.0, late=4.0, steps=3.0)
        """
        frames, squared, late, steps, last = 0, 0.0, 0.0, 0.0, None
        for d in differences:
            # sums along a row are pairwise, those of rows in float64: single precision loses nothing
            absolute = np.abs(d).sum(1)
            squared += np.square(d).sum(1).sum(dtype=np.float64)
            steps += np.abs(np.diff(d, axis=0)).sum(1).sum(dtype=np.float64)
            late += absolute[last is None :].sum(dtype=np.float64)
            if last is not None:
                steps += np.abs(d[0] - last).sum(dtype=np.float64)
            frames, last = frames + len(d), d[-1].copy()
        return cls(frames, coordinates, float(squared), float(late), float(steps))

    @property
    def face_mse(self) -> float:
        """Mean of d^2, m^2."""
        return self.squared / (self.frames * self.coordinates)

    @property
    def lvd(self) -> float:
        """Mean of |d| over all frames but the first, metres; needs two frames."""
        return self.late / ((self.frames - 1) * self.coordinates)

    @property
    def lvd_velocity(self) -> float:
        """Sum of |d[t+1] - d[t]| / (T C), metres per frame: divided by T, not by the T - 1 steps, as published."""
        return self.steps / (self.frames * self.coordinates)


@lru_cache(maxsize=1)  # MSE and LVD of one pair; motions are told apart by identity and never written to
def face_errors(face: FaceModel, prediction: Motion, target: Motion) -> FaceErrors:
    """Errors of the whole mesh's coordinates, both faces on the target's body, only jaw and expression set."""
    return FaceErrors.of(face.differences(prediction, target), face.n_coordinates)


class FaceConfig(Config):
    """Nothing to set."""


class _FaceEvaluator(Evaluator):
    """Frame-weighted mean over clips of the `FaceErrors` that the columns name."""

    Config: ClassVar[type[Config]] = FaceConfig
    shortest: ClassVar[int] = 1
    """Frames below which a clip has no value; it is then skipped."""

    def reset(self) -> None:
        self.sums = dict.fromkeys((column.key for column in self.columns), 0.0)
        self.frames, self.clips, self.skipped = 0, 0, 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        if checked_pair(prediction, clip).n_frames < self.shortest:
            self.skipped += 1
            return {}
        errors = face_errors(self.store.face, prediction, clip.motion)
        values = {key: getattr(errors, key) for key in self.sums}
        self.sums = {key: total + errors.frames * values[key] for key, total in self.sums.items()}
        self.frames += errors.frames
        self.clips += 1
        return values

    def merge(self, other: Self) -> None:
        self.sums = {key: total + other.sums[key] for key, total in self.sums.items()}
        self.frames += other.frames
        self.clips += other.clips
        self.skipped += other.skipped

    def compute(self) -> dict[str, Any]:
        if not self.clips:
            raise nothing_scored(self.name)
        means = {key: total / self.frames for key, total in self.sums.items()}
        return means | {"n": self.clips, "frames": self.frames, "skipped": self.skipped}


class FaceMSE(_FaceEvaluator):
    """Mean squared error of face vertices.

    Printed x 10^8 by EMAGE and those who compare with it (MambaTalk's captions say 10^-7, its numbers are on EMAGE's
    scale; EMAGE's Table 6 and Appendix G use yet another).
    """

    name: ClassVar[str] = "face_mse"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "face_mse", "Face MSE", "lower", 10,
            unit="m²",
            formula="mean over frames and all coordinates of the mesh of (predicted - captured vertex)^2",
            scales={"EMAGE": 1e8, "MambaTalk": 1e8},
            source="EMAGE (arXiv 2401.00374) Table 4; released evaluation code",
        ),
    )  # fmt: skip


class LVD(_FaceEvaluator):
    """The two numbers published as landmark velocity difference: they measure different things and never compare.

    `lvd` is that of BEAT2 tables: |p[t+1] - g[t] - (g[t+1] - g[t])|, which is |p[t+1] - g[t+1]|, a distance of
    positions. `lvd_velocity` is the difference of velocities that the newer evaluation tools compute.
    """

    name: ClassVar[str] = "lvd"
    shortest: ClassVar[int] = 2
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "lvd", "LVD", "lower", 8,
            unit="m",
            formula="mean over frames 1 to T-1 and all coordinates of |predicted - captured vertex|",
            scales={"EMAGE": 1e5, "MambaTalk": 1e5},
            source="EMAGE (arXiv 2401.00374) Table 4; released evaluation code",
        ),
        Column(
            "lvd_velocity", "LVD (velocity)", "lower", 8,
            unit="m/frame",
            formula="sum over t and coordinates of |(p[t+1] - p[t]) - (g[t+1] - g[t])| / (T C)",
            source="emage_evaltools of PantoMatrix",
        ),
    )  # fmt: skip
