"""Which gesture is this? Nearest neighbour among the training gestures, in the space where gestures differ most.

Legend: N training segments, D features of a segment, P dimensions of the discriminant space, C classes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesturebench.common.errors import InputError
from gesturebench.common.files import write_npz


@dataclass(frozen=True, eq=False)
class GestureClassifier:
    """`mean` (D,), `projection` (D, P), and the training segments: `points` (N, P), `labels` (N,) into `classes`,
    `speakers` (N,).

    Everybody has a style of their own: a neighbour from another speaker counts as `foreign` times as far away.
    """

    classes: tuple[str, ...]
    mean: np.ndarray
    projection: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray
    foreign: float

    @classmethod
    def fit(
        cls, segments: np.ndarray, tags: list[str], speakers: np.ndarray, *, shrinkage: float, foreign: float
    ) -> "GestureClassifier":
        """Segments (N, D) with the gesture and the speaker of each."""
        classes, labels = np.unique(tags, return_inverse=True)
        mean = segments.mean(0)
        # features that hardly move are left small: their noise would count as much as a gesture
        scale = np.maximum(segments.std(0), 0.02)
        projection = discriminant_projection((segments - mean) / scale, labels, shrinkage) / scale[:, None]
        return cls(
            tuple(map(str, classes)),
            mean,
            projection,
            (segments - mean) @ projection,
            labels,
            np.asarray(speakers),
            foreign,
        )

    def predict(self, segments: np.ndarray, speakers: np.ndarray) -> list[str]:
        """The class of the nearest training segment for each row of (n, D)."""
        points = (segments - self.mean) @ self.projection
        squares = (points**2).sum(1)[:, None] + (self.points**2).sum(1) - 2 * points @ self.points.T
        distance = np.sqrt(np.maximum(squares, 0)) * np.where(
            np.asarray(speakers)[:, None] == self.speakers, 1.0, self.foreign
        )
        return [self.classes[label] for label in self.labels[distance.argmin(1)]]

    def save(self, path: Path) -> None:
        arrays = {name: getattr(self, name) for name in ("mean", "projection", "points", "labels", "speakers")}
        write_npz(path, classes=np.array(self.classes), foreign=np.array(self.foreign), **arrays)

    @classmethod
    def load(cls, path: Path) -> "GestureClassifier":
        try:
            with np.load(path) as arrays:
                fields = {name: arrays[name] for name in ("mean", "projection", "points", "labels", "speakers")}
                return cls(tuple(map(str, arrays["classes"])), **fields, foreign=float(arrays["foreign"]))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{path}: not a gesture classifier ({error})", remedy="delete its folder and run again"
            ) from error


def discriminant_projection(centred: np.ndarray, labels: np.ndarray, shrinkage: float) -> np.ndarray:
    """(N, D) -> (D, P), P <= C - 1: linear discriminants (Fisher 1936; Rao 1948), scaled to unit variance within
    classes.

    The within-class covariance is drawn towards a multiple of the identity: S_w' = (1 - shrinkage) S_w + shrinkage
    tr(S_w) / D I.
    """
    counts = np.bincount(labels)
    means = np.stack([centred[labels == c].mean(0) for c in range(len(counts))])
    within = np.cov((centred - means[labels]).T, bias=True)
    within = (1 - shrinkage) * within + shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    spread = (means @ whiten) * np.sqrt(counts / len(labels))[:, None]
    _, strengths, directions = np.linalg.svd(spread, full_matrices=False)
    return whiten @ directions[strengths > 1e-9 * strengths[0]].T
