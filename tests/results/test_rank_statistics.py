"""Ranks and cliques against Demšar's worked example and independent implementations."""

import numpy as np
import pytest
from scipy import stats

from gesturebench.common.errors import InputError
from gesturebench.results.rank_statistics import cliques, critical_difference, friedman_p, rank, wilcoxon_holm

C45_RANKS = np.array([
    [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
    [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
])  # fmt: skip
"""Demšar (2006), table 6: ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets."""


def test_the_worked_example():
    found = rank(C45_RANKS)
    assert found.ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert found.p < 0.05
    assert found.cliques == ((3, 1, 2, 0),)  # "not powerful enough" at 5 %


def test_the_worked_example_at_ten_percent():
    """There plain C4.5 is worse than both variants with m; all others are joined."""
    found = rank(C45_RANKS, alpha=0.1)
    assert found.critical_difference == pytest.approx(1.12, abs=5e-3)
    assert found.cliques == ((3, 1, 2), (2, 0))


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_values_are_those_of_the_printed_table(k, q):
    assert critical_difference(1, k) / np.sqrt(k * (k + 1) / 6) == pytest.approx(q, abs=1.1e-3)


def test_friedman_equals_scipy_with_ties():
    rng = np.random.default_rng(0)
    for n, k in ((6, 3), (20, 5)):
        values = rng.integers(0, 4, size=(n, k)).astype(float)
        chi2 = stats.friedmanchisquare(*values.T).statistic
        expected = stats.f.sf((n - 1) * chi2 / (n * (k - 1) - chi2), k - 1, (k - 1) * (n - 1))
        assert friedman_p(stats.rankdata(values, axis=1)) == pytest.approx(expected)


def test_equal_rows_are_one_clique_and_unanimous_ones_differ():
    same = rank(np.ones((8, 3)))
    assert (same.p, same.cliques) == (1.0, ((0, 1, 2),))
    clear = rank(np.tile([1.0, 2.0, 3.0], (30, 1)))
    assert (clear.p, clear.cliques) == (0.0, ())


def test_wilcoxon_with_holm_by_hand():
    """Column 2 is larger than the others by another amount on each of 8 clips: p = 2 / 2^8 for both pairs, times 3 and
    2 still below 5 %. Columns 0 and 1 differ in sign from clip to clip."""
    a = np.zeros(8)
    b = np.array([1, -2, 3, -4, 5, -6, 7, -8]) / 100
    losses = np.stack([a, b, a + np.arange(1, 9)], axis=1)
    assert stats.wilcoxon(losses[:, 0], losses[:, 2]).pvalue == pytest.approx(2 / 2**8)
    differ = wilcoxon_holm(losses)
    assert differ.tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    assert rank(losses, "wilcoxon").cliques in (((0, 1),), ((1, 0),))
    assert rank(losses, "wilcoxon").critical_difference is None


def test_wilcoxon_is_stricter_with_more_pairs():
    """The same two columns, told apart alone, are not among six more: Holm's correction counts all pairs."""
    gap = np.array([1.0, 2, 3, 4, 5, 6])
    pair = np.stack([np.zeros(6), gap], axis=1)
    assert wilcoxon_holm(pair)[0, 1]
    rng = np.random.default_rng(1)
    assert not wilcoxon_holm(np.concatenate([pair, rng.normal(size=(6, 6))], axis=1))[0, 1]


def test_cliques_are_maximal_runs():
    ranks = np.array([1.0, 4.0, 2.0, 3.0])
    assert cliques(ranks, lambda i, j: abs(ranks[i] - ranks[j]) <= 1) == ((0, 2), (2, 3), (3, 1))
    assert cliques(ranks, lambda i, j: abs(ranks[i] - ranks[j]) <= 2) == ((0, 2, 3), (2, 3, 1))
    assert cliques(ranks, lambda i, j: False) == ()


def test_an_unknown_test_is_named():
    with pytest.raises(InputError, match=r"unknown test 'nemeny'.*did you mean 'nemenyi'"):
        rank(np.ones((3, 3)), "nemeny")
