"""Hybrid retrieval: similarity of meaning, discounted by difference in length (Zhang et al. 2023, eq. 4).

    s_i = sem_i exp(-lambda gamma_i),    gamma_i = |l_i - L| / max(l_i, L),    sem_i = sum_p w_p cos(f_ip, q_p)

Parts p are texts and sounds; the published score has the text alone. Legend: N entries, Q queries, P parts, D_p width
of a part, M places asked about.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EPSILON = 1e-8
"""The shortest a feature counts as: silence is like nothing."""


def unit(rows: np.ndarray) -> np.ndarray:
    """(..., D) float32 scaled to length 1; zeros stay zeros."""
    rows = np.asarray(rows, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), EPSILON)


def length_gap(lengths: np.ndarray, asked: np.ndarray | float) -> np.ndarray:
    """gamma in [0, 1], float32; two lengths of zero (no onsets) are equal.

    >>> length_gap(np.array([16, 8, 0]), 16).tolist(), length_gap(np.array([0]), 0).tolist()
    ([0.0, 0.5, 1.0], [0.0])
    """
    lengths, asked = np.asarray(lengths, np.float32), np.asarray(asked, np.float32)
    return np.abs(lengths - asked) / np.maximum(np.maximum(lengths, asked), EPSILON)


@dataclass(frozen=True, eq=False)
class Asked:
    """Q queries: `features` (Q, D_p) of each part, `weights` (Q, P), `lengths` (Q,)."""

    features: tuple[np.ndarray, ...]
    weights: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, features: Sequence[np.ndarray], weights: np.ndarray, lengths: np.ndarray) -> "Asked":
        return cls(tuple(map(unit, features)), np.asarray(weights, np.float32), np.asarray(lengths, np.float32))

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, chosen: slice) -> "Asked":
        return Asked(tuple(part[chosen] for part in self.features), self.weights[chosen], self.lengths[chosen])

    def heard(self) -> list[int]:
        """The parts that any query listens to."""
        return np.flatnonzero(self.weights.any(0)).tolist()


class Library:
    """N entries: unit `features` (N, D_p) of each part and `lengths` (N,), under one `length_weight` lambda."""

    def __init__(self, features: Sequence[np.ndarray], lengths: np.ndarray, length_weight: float):
        self.features = tuple(map(unit, features))
        self.lengths = np.asarray(lengths, np.float32)
        self.length_weight = length_weight
        self._kinds, self._kind = np.unique(self.lengths, return_inverse=True)

    def __len__(self) -> int:
        return len(self.lengths)

    def scores(self, asked: Asked) -> np.ndarray:
        """(Q, N) float32."""
        total = np.zeros((len(asked), len(self)), np.float32)
        for part in asked.heard():
            total += (asked.features[part] * asked.weights[:, part, None]) @ self.features[part].T
        if self.length_weight:
            gaps = length_gap(self._kinds, asked.lengths[:, None])
            total *= np.exp(-self.length_weight * gaps).take(self._kind, axis=1)
        return total

    def exact_scores(self, asked: Asked, number: int, places: np.ndarray) -> np.ndarray:
        """(M,) float32 scores of one query, rounded from float64: equal entries tie wherever they stand, whatever the
        order in which a library of linear algebra adds."""
        total = np.zeros(len(places))
        for part in asked.heard():
            rows = self.features[part][places].astype(np.float64)
            total += float(asked.weights[number, part]) * (rows @ asked.features[part][number].astype(np.float64))
        gaps = length_gap(self.lengths[places], asked.lengths[number])
        return (total * np.exp(-self.length_weight * gaps.astype(np.float64))).astype(np.float32)

    def best(self, asked: Asked, number: int, places: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `keep` of some `places` (rising) and their scores, best first; of equals the earlier entry."""
        scores = self.exact_scores(asked, number, places)
        order = np.argsort(-scores, kind="stable")[:keep]
        return places[order], scores[order]
