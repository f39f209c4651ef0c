"""Ranks of methods over clips, and which of them differ (Demšar 2006, "Statistical comparisons of classifiers over
multiple data sets", JMLR 7; Benavoli et al. 2016, "Should we really use post-hoc tests based on mean-ranks?", JMLR 17).

Legend: N clips, K methods.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gesturebench.common.errors import unknown_name
from gesturebench.results.significance import ALPHA, holm

Test = Literal["nemenyi", "wilcoxon"]
"""`nemenyi`: methods differ whose mean ranks are apart by a critical difference; `wilcoxon`: whose signed ranks over
clips differ, Holm's correction over all pairs."""
TESTS: tuple[Test, ...] = ("nemenyi", "wilcoxon")


@dataclass(frozen=True)
class Ranking:
    """Mean `ranks` (K,), 1 the best; `p` of the Friedman test that all are equal; `cliques`, groups of methods (by
    index) that are not told apart; `critical_difference` of mean ranks, None for the test that has none."""

    ranks: np.ndarray
    clips: int
    p: float
    cliques: tuple[tuple[int, ...], ...]
    critical_difference: float | None


def rank(losses_NK: np.ndarray, test: Test = "nemenyi", alpha: float = ALPHA) -> Ranking:
    """Rank methods by losses, lower is better; equal losses share their mean rank.

    Where the Friedman test does not reject equality, no pair is looked at: all methods are one clique.
    """
    from scipy.stats import rankdata

    if test not in TESTS:
        raise unknown_name("test", test, TESTS)
    n, k = losses_NK.shape
    ranks_NK = rankdata(losses_NK, axis=1)
    ranks, p = ranks_NK.mean(0), friedman_p(ranks_NK)
    difference = critical_difference(n, k, alpha) if test == "nemenyi" else None
    if p > alpha:
        return Ranking(ranks, n, p, (tuple(np.argsort(ranks, kind="stable").tolist()),), difference)
    if difference is not None:
        return Ranking(ranks, n, p, cliques(ranks, lambda i, j: abs(ranks[i] - ranks[j]) < difference), difference)
    differ_KK = wilcoxon_holm(losses_NK, alpha)
    return Ranking(ranks, n, p, cliques(ranks, lambda i, j: not differ_KK[i, j]), None)


def friedman_p(ranks_NK: np.ndarray) -> float:
    """Iman and Davenport's form of the Friedman test: F = (N-1) chi2 / (N (K-1) - chi2) with K-1 and (K-1)(N-1) degrees
    of freedom, chi2 corrected for ties. 1 where all ranks are tied."""
    from scipy.stats import f

    n, k = ranks_NK.shape
    spread = ((ranks_NK - (k + 1) / 2) ** 2).sum()  # n (k^3 - k) / 12 without ties
    if spread == 0:
        return 1.0
    chi2 = n**2 * (k - 1) * ((ranks_NK.mean(0) - (k + 1) / 2) ** 2).sum() / spread
    rest = n * (k - 1) - chi2
    if rest <= 1e-12 * chi2:  # every clip ranks alike
        return 0.0
    return float(f.sf((n - 1) * chi2 / rest, k - 1, (k - 1) * (n - 1)))


def critical_difference(n: int, k: int, alpha: float = ALPHA) -> float:
    """q_alpha sqrt(K (K+1) / 6 N), q_alpha the quantile of the studentized range of K means over sqrt 2 (Nemenyi)."""
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * n)))


def wilcoxon_holm(losses_NK: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """(K, K) bool: which pairs differ in Wilcoxon's signed-rank test after Holm's correction over all pairs."""
    from scipy.stats import wilcoxon

    k = losses_NK.shape[1]
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    columns = [(losses_NK[:, i], losses_NK[:, j]) for i, j in pairs]
    p_values = [1.0 if np.array_equal(a, b) else float(wilcoxon(a, b).pvalue) for a, b in columns]
    differ_KK = np.zeros((k, k), dtype=bool)
    for (i, j), p in zip(pairs, holm(p_values)):
        differ_KK[i, j] = differ_KK[j, i] = p < alpha
    return differ_KK


def cliques(ranks: np.ndarray, alike: Callable[[int, int], bool]) -> tuple[tuple[int, ...], ...]:
    """Runs of neighbours in the order of ranks in which every pair is alike, each as long as it can be; no run of
    one."""
    order = np.argsort(ranks, kind="stable").tolist()
    found: list[tuple[int, ...]] = []
    end = 0
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and all(alike(order[i], order[stop]) for i in range(start, stop)):
            stop += 1
        if stop - start > 1 and stop > end:
            found.append(tuple(order[start:stop]))
            end = stop
    return tuple(found)
