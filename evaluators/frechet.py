"""Fréchet distance between two sets of features, from mergeable sufficient statistics.

Legend: N features, D their dimension.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gesturebench.common.errors import InputError

Formula = Literal["exact", "legacy", "evaltools"]
"""`exact`: the definition, real and finite for any two sets, 0 for equal ones. `legacy`: as in the older released code,
with a general matrix square root: equal to `exact` to 1e-8 where both sets have more than D features; with fewer the
root may be complex, and the distance is then 1e10 if its diagonal's imaginary part exceeds 1e-3. `evaltools`: the newer
tools, which add 1e-6 to both diagonals inside the root only: below `exact` by 2e-6 D for equal sets (-4.8e-4 at D =
240), by more the more their spreads differ. On the golden sets: 71.32202, 71.32202, 71.32144 (300 and 280 features, D =
240); 51.96305, 51.96305, 51.95992 (60 and 64, D = 96)."""

JITTER = 1e-6
GIVEN_UP = 1e10
"""What the older released code reports when it finds no real root."""
NOISE = 10 * np.finfo(np.float64).eps
"""Distances below this share of D times the traces are rounding: of 400 reordered and sharded sets the worst reached a
sixth of it."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean (D,) and scatter (D, D) = sum of (x - mean)(x - mean)^T in float64: all a Gaussian fit needs.

    Shards add up by the pairwise formula of Chan, Golub and LeVeque (1979). Being centred, nothing cancels when the
    mean is far larger than the spread, where sums of x x^T would lose digits.
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def empty(cls, dim: int) -> "Moments":
        return cls(0, np.zeros(dim), np.zeros((dim, dim)))

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Statistics of features (N, D), all finite."""
        x = np.asarray(features, dtype=np.float64)
        if not len(x):
            return cls.empty(x.shape[1])
        if not np.isfinite(x).all():
            raise InputError(
                f"{(~np.isfinite(x)).sum()} of {x.size} features are not finite",
                expected="numbers",
                remedy="look for damage in the motion or the encoder's weights",
            )
        mean = x.mean(0)
        centred = x - mean
        return cls(len(x), mean, centred.T @ centred)

    def __add__(self, other: "Moments") -> "Moments":
        if not self.n or not other.n:
            return self if self.n else other
        n, shift = self.n + other.n, other.mean - self.mean
        between = self.n * other.n / n * np.outer(shift, shift)
        return Moments(n, self.mean + other.n / n * shift, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, (D, D)."""
        return self.scatter / (self.n - 1)


def frechet_distance(a: Moments, b: Moments, formula: Formula = "exact") -> float:
    """d = |mu_a - mu_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2) (Dowson and Landau 1982; Heusel et al. 2017, eq. 6).

    In `exact`, what rounding leaves of the distance of equal sets (`NOISE`) is returned as 0, in whatever order or
    shards the sets were taken in.

    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> round(frechet_distance(Moments.of(x), Moments.of(x + 1.0)), 9)
    4.0
    """
    from threadpoolctl import threadpool_limits

    for moments in (a, b):
        if moments.n < 2:
            raise InputError(
                f"Fréchet distance of {moments.n} features",
                expected="at least 2 per set",
                remedy="evaluate more or longer clips",
            )
    shift = a.mean - b.mean
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    with threadpool_limits(1, "blas"):  # two threads were measured several times slower on matrices this small
        root = _ROOT_TRACES[formula](a.covariance, b.covariance)
    distance = float(shift @ shift + traces - 2 * root)
    if formula != "exact":
        return GIVEN_UP if np.isnan(root) else distance
    return distance if distance > NOISE * len(shift) * traces else 0.0


def root_trace(a: np.ndarray, b: np.ndarray, jitter: float = 0.0) -> float:
    """tr ((A + jitter)(B + jitter))^(1/2) of covariances (D, D): the sum of the singular values of A^(1/2) B^(1/2).

    Both roots come from symmetric eigenvalue decompositions, so the trace is real and finite for rank-deficient sets
    too, where a general matrix square root need not be.
    """
    values_a, vectors_a = _spectrum(a)
    values_b, vectors_b = _spectrum(b)
    cross = np.sqrt(values_a + jitter)[:, None] * (vectors_a.T @ vectors_b) * np.sqrt(values_b + jitter)
    return float(np.linalg.svd(cross, compute_uv=False).sum())


def legacy_root_trace(a: np.ndarray, b: np.ndarray) -> float:
    """tr (A B)^(1/2) by a general matrix square root; NaN where the older released code gives up."""
    from scipy.linalg import sqrtm

    root = sqrtm(a @ b)
    if not np.isfinite(root).all():
        jitter = JITTER * np.eye(len(a))
        root = sqrtm((a + jitter) @ (b + jitter))
    diagonal = np.diagonal(root)
    return float(diagonal.real.sum()) if np.abs(diagonal.imag).max() <= 1e-3 else float("nan")


_ROOT_TRACES = {
    "exact": root_trace,
    "legacy": legacy_root_trace,
    "evaltools": lambda a, b: root_trace(a, b, JITTER),
}


def _spectrum(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors; values within rounding of zero are set to zero, their square roots would be noise
    of 1e-8."""
    values, vectors = np.linalg.eigh(covariance)
    noise = len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return np.where(values > noise, values, 0.0), vectors
