"""Fréchet distance between two sets of features, from mergeable sufficient statistics.

Legend: N features, D their dimension.
"""

from dataclasses import dataclass

import numpy as np

from gesturebench.common.errors import InputError


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, sum (D,) and sum of outer products (D, D) in float64: all a Gaussian fit needs, and additive over
    shards."""

    n: int
    total: np.ndarray
    outer: np.ndarray

    @classmethod
    def empty(cls, dim: int) -> "Moments":
        return cls(0, np.zeros(dim), np.zeros((dim, dim)))

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Statistics of features (N, D)."""
        x = np.asarray(features, dtype=np.float64)
        return cls(len(x), x.sum(0), x.T @ x)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.n + other.n, self.total + other.total, self.outer + other.outer)

    @property
    def mean(self) -> np.ndarray:
        return self.total / self.n

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, (D, D)."""
        return (self.outer - np.outer(self.total, self.mean)) / (self.n - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """d = |mu_a - mu_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2) (Dowson and Landau 1982; Heusel et al. 2017, eq. 6).

    tr (S_a S_b)^(1/2) is the sum of the singular values of S_a^(1/2) S_b^(1/2), with both roots from symmetric
    eigenvalue decompositions: it stays real and finite for rank-deficient sets, where a general matrix square root need
    not. The true distance is never negative; what rounding leaves below zero (about 1e-13 of the traces) is returned as
    0, and identical statistics give exactly 0.

    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> round(frechet_distance(Moments.of(x), Moments.of(x + 1.0)), 9)
    4.0
    """
    for moments in (a, b):
        if moments.n < 2:
            raise InputError(
                f"Fréchet distance of {moments.n} features",
                expected="at least 2 per set",
                remedy="evaluate more or longer clips",
            )
    if a.n == b.n and np.array_equal(a.total, b.total) and np.array_equal(a.outer, b.outer):
        return 0.0
    values_a, vectors_a = _spectrum(a.covariance)
    values_b, vectors_b = _spectrum(b.covariance)
    cross = np.sqrt(values_a)[:, None] * (vectors_a.T @ vectors_b) * np.sqrt(values_b)
    shift = a.mean - b.mean
    distance = shift @ shift + values_a.sum() + values_b.sum() - 2 * np.linalg.svd(cross, compute_uv=False).sum()
    return float(max(distance, 0.0))


def _spectrum(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors; values within rounding of zero are set to zero, their square roots would be noise
    of 1e-8."""
    values, vectors = np.linalg.eigh(covariance)
    noise = len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return np.where(values > noise, values, 0.0), vectors
