"""Fréchet distance between two sets of features, from mergeable sufficient statistics.

Legend: N features, D their dimension.
"""

from contextlib import AbstractContextManager
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
tenth of it."""


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
        x = np.array(features, dtype=np.float64)
        if not len(x):
            return cls.empty(x.shape[1])
        mean = x.mean(0)
        if not np.isfinite(mean).all():
            raise InputError(
                f"{(~np.isfinite(x)).sum()} of {x.size} features are not finite",
                expected="numbers",
                remedy="look for damage in the motion or the encoder's weights",
            )
        x -= mean
        return cls(len(x), mean, x.T @ x)

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
    for moments in (a, b):
        if moments.n < 2:
            raise InputError(
                f"Fréchet distance of {moments.n} features",
                expected="at least 2 per set",
                remedy="evaluate more or longer clips",
            )
    shift = a.mean - b.mean
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    with _one_blas_thread():
        root = _ROOT_TRACES[formula](a.covariance, b.covariance)
    distance = float(shift @ shift + traces - 2 * root)
    if formula != "exact":
        return GIVEN_UP if np.isnan(root) else distance
    return distance if distance > NOISE * len(shift) * traces else 0.0


def _one_blas_thread() -> AbstractContextManager:
    """On matrices this small two threads were measured ten to sixty times slower than one, on a busy machine."""
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own, which must be there to be limited
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def root_trace(a: np.ndarray, b: np.ndarray, jitter: float = 0.0) -> float:
    """tr ((A + jitter)(B + jitter))^(1/2) of covariances (D, D): the sum of the singular values of L_A^T L_B, with
    L L^T the matrix under the root.

    The trace is real and finite for rank-deficient sets too, where a general matrix square root need not be.
    """
    added = jitter * np.eye(len(a))
    return float(np.linalg.svd(_factor(a + added).T @ _factor(b + added), compute_uv=False).sum())


def _factor(covariance: np.ndarray) -> np.ndarray:
    """L (D, rank) with L L^T = S, by Cholesky decomposition with pivoting (Higham 1990): it stops where what is left is
    rounding, whose square roots would be noise of 1e-8."""
    from scipy.linalg.lapack import dpstrf

    decomposed, pivots, rank, _ = dpstrf(covariance, lower=1)
    factor = np.empty((len(covariance), rank))
    factor[pivots - 1] = np.tril(decomposed)[:, :rank]
    return factor


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
