"""Diversity as RAG-style tables print it: how far the motions of different clips lie apart.

Legend: N clips, T frames, C coordinates, D = T C.
"""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.pairs import Shape, checked_pair, joint_positions

Origin = Literal["none", "first_frame"]
"""`none`: joints where the body model puts them (RAG-Gesture's table). `first_frame`: minus the pelvis of the first
frame (its stand-alone diversity script). Without translation they differ by body shape alone."""

BLOCK = 64
"""Rows multiplied at a time: beside the N^2 distances memory stays at two blocks of D numbers."""

_CANCELLED = 1e-6
"""A squared distance below this share of the squared norms has lost half of its digits in |a|^2 - 2ab + |b|^2."""


def pair_distances(x_ND: np.ndarray, block: int = BLOCK) -> np.ndarray:
    """(N, D) -> (N (N - 1) / 2,) Euclidean distances of all unordered pairs, float64, in the order of scipy's `pdist`.

    |a - b|^2 = |a|^2 - 2ab + |b|^2 on rows moved to their common mean, block by block: matrix products instead of N^2
    passes over the data. Pairs so close that the difference cancels are subtracted first, so equal rows give exactly 0.
    """
    centre, n = x_ND.mean(0, dtype=np.float64), len(x_ND)
    distances_NN = np.zeros((n, n))
    for i in range(0, n, block):
        a = x_ND[i : i + block] - centre
        for j in range(i, n, block):
            b = a if i == j else x_ND[j : j + block] - centre
            distances_NN[i : i + block, j : j + block] = _block_distances(a, b)
    return distances_NN[np.triu_indices(n, 1)]


def _block_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norms = np.einsum("nd,nd->n", a, a)[:, None] + np.einsum("nd,nd->n", b, b)
    squared = norms - 2 * (a @ b.T)
    for i, j in np.argwhere(squared < _CANCELLED * norms):
        squared[i, j] = np.sum((a[i] - b[j]) ** 2)
    return np.sqrt(squared)


def mean_pair_distance(x_ND: np.ndarray) -> float:
    """Mean Euclidean distance over all pairs of feature vectors (N, D); ordered and unordered pairs give the same.

    >>> mean_pair_distance(np.array([[0.0, 0.0], [3.0, 4.0]]))
    5.0
    """
    return float(pair_distances(x_ND).mean())


def average_distance(clips_NTC: np.ndarray) -> float:
    """Mean over unordered pairs of |A - B|_F / T, clips (N, T, C) in metres."""
    return mean_pair_distance(clips_NTC.reshape(len(clips_NTC), -1)) / clips_NTC.shape[1]


def rooted(positions_TC: np.ndarray, origin: Origin) -> np.ndarray:
    """(T, 3J) metres, from the pelvis of the first frame where `origin` says so."""
    if origin == "none":
        return positions_TC
    return positions_TC - np.tile(positions_TC[0, :3], positions_TC.shape[1] // 3)


class DiversityConfig(Config):
    """`frames` of every clip that are compared, from its start; shorter clips are skipped and counted. With null, whole
    clips, which must then be of one length. `origin` of the coordinates, `shape` of the bodies."""

    frames: int | None = Field(300, ge=1)
    origin: Origin = "none"
    shape: Shape = "clip"


class Diversity(Evaluator):
    """Diversity = mean over unordered pairs of predictions of |A - B|_F / T, T the frames of a clip.

    Only predictions enter. Every clip is kept, as float32 (0.2 MB for 300 frames): a mean over pairs has no smaller
    sufficient statistic. Captured motion differs from clip to clip, so the reading is closeness to its value.
    """

    name: ClassVar[str] = "diversity"
    Config: ClassVar[type[Config]] = DiversityConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "diversity",
            "Diversity",
            "closer to ground truth",
            4,
            unit="m",
            formula="mean over pairs of clips of |A - B|_F / T, A and B (T, 165) joint positions without translation",
            scales={"RAG-Gesture": 1000.0},
            source="RAG-Gesture (Mughal et al. 2025), evaluation script; first 300 frames at 30 fps",
        ),
    )

    def reset(self) -> None:
        self.clips: list[tuple[str, np.ndarray]] = []
        self.skipped = 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        frames = self.config.frames
        if frames is not None and prediction.n_frames < frames:
            self.skipped += 1
            return {}
        positions = joint_positions(self.store.joints, prediction, clip, shape=self.config.shape)[:frames]
        self.clips.append((clip.id, rooted(positions, self.config.origin).astype(np.float32)))
        return {}

    def merge(self, other: Self) -> None:
        self.clips += other.clips
        self.skipped += other.skipped

    def compute(self) -> dict[str, Any]:
        if len(self.clips) < 2:
            raise InputError(
                f"diversity of {len(self.clips)} clips ({self.skipped} skipped)",
                expected=f"at least two of {self.config.frames or 'the same number of'} frames",
                remedy="evaluate more or longer clips, or set frames",
            )
        ordered = sorted(self.clips, key=lambda item: item[0])
        _require_one_length(ordered)
        return {
            "diversity": average_distance(np.stack([positions for _, positions in ordered])),
            "n": len(ordered),
            "skipped": self.skipped,
        }


def _require_one_length(clips: list[tuple[str, np.ndarray]]) -> None:
    first_id, first = clips[0]
    for clip_id, positions in clips:
        if len(positions) != len(first):
            raise InputError(
                f"diversity: {clip_id} has {len(positions)} frames, {first_id} {len(first)}",
                expected="clips of one length",
                remedy="set frames to a length that all of them have",
            )
