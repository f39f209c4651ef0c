"""Permutation tests against scipy, Holm's correction by hand, and marks that say only what the data can tell."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gesturebench.results.marks import standing
from gesturebench.results.numbers import Sample, replicates
from gesturebench.results.significance import (
    RELABELLINGS,
    Contender,
    compare,
    enough,
    gap_of,
    holm,
    relabelling_p,
    shares,
    sign_flip_p,
)

DIFFERENCE = gap_of("lower")


def row(label: str, values: np.ndarray, weights: np.ndarray | None = None) -> Contender:
    """A row with values (S, C) of named clips."""
    weights = np.ones_like(values) if weights is None else weights
    totals = (weights * values).sum(1) / weights.sum(1)
    sample = Sample(totals, values, weights, values.shape[1], tuple(f"clip{i}" for i in range(values.shape[1])))
    return Contender(label, sample, replicates([sample])[0])


def set_row(label: str, totals: list[float]) -> Contender:
    return Contender(label, Sample(np.array(totals), None, None, 8), None)


@pytest.mark.parametrize("direction", ["lower", "closer to ground truth"])
@pytest.mark.parametrize("n_clips", [6, 9])
def test_exact_sign_flips_equal_scipy(direction, n_clips):
    rng = np.random.default_rng(n_clips)
    a, b = rng.normal(size=n_clips), rng.normal(0.7, 1, size=n_clips)
    gap = gap_of(direction, 0.4)
    expected = stats.permutation_test(
        (a, b), lambda x, y: gap(x.mean(), y.mean()), permutation_type="samples", n_resamples=np.inf
    )
    truth = 0.4 if direction == "closer to ground truth" else None
    assert sign_flip_p(a, b[None], truth)[0] == pytest.approx(expected.pvalue)


def test_drawn_sign_flips_come_near_the_exact_test():
    """The share of 9999 draws has a standard deviation below sqrt(p (1 - p) / 9999); five of them are allowed."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=15), rng.normal(0.4, 1, size=15)
    exact = stats.permutation_test(
        (a, b), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=2**15, vectorized=True
    ).pvalue
    p = sign_flip_p(a, b[None])[0]
    assert p == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / RELABELLINGS))
    assert p == sign_flip_p(a, b[None])[0]


@pytest.mark.parametrize("sizes", [(4, 4), (5, 3)])
def test_exact_relabelling_equals_scipy(sizes):
    rng = np.random.default_rng(sum(sizes))
    a, b = rng.normal(size=sizes[0]), rng.normal(1, 1, size=sizes[1])
    null = [
        pooled[list(some)].mean() - np.delete(pooled, list(some)).mean()
        for pooled in [np.concatenate([a, b])]
        for some in itertools.combinations(range(sum(sizes)), sizes[0])
    ]
    by_hand = np.mean(np.abs(null) >= abs(a.mean() - b.mean()) - 1e-12)
    assert relabelling_p(a, b, DIFFERENCE) == pytest.approx(by_hand)
    if sizes[0] == sizes[1]:  # scipy doubles the smaller tail, which is the same where sizes are
        found = stats.permutation_test((a, b), lambda x, y: x.mean() - y.mean(), n_resamples=np.inf)
        assert relabelling_p(a, b, DIFFERENCE) == pytest.approx(found.pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_equals_its_definition(p_values):
    ordered = sorted(p_values)
    m = len(ordered)
    for p, adjusted in zip(p_values, holm(p_values)):
        last = max(i for i, q in enumerate(ordered) if q == p)
        assert adjusted == pytest.approx(max(min(1, (m - j) * ordered[j]) for j in range(last + 1)))


def test_rejections_by_chance_are_as_rare_as_they_should_be():
    """400 comparisons of rows that do not differ: the count below 5 % is binomial, 20 expected, standard deviation
    4.4."""
    rng = np.random.default_rng(2)
    hits = sum(sign_flip_p(*(rng.normal(size=12), rng.normal(size=(1, 12))))[0] < 0.05 for _ in range(400))
    assert 7 <= hits <= 33


def test_shares_average_to_the_number():
    rng = np.random.default_rng(3)
    values, weights = rng.normal(size=(3, 7)), rng.uniform(1, 9, size=(3, 7))
    contender = row("a", values, weights)
    assert shares(contender.sample).mean() == pytest.approx(contender.sample.totals.mean())


def test_p_values_do_not_depend_on_scale_or_on_the_names_of_the_rows():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=10), rng.normal(0.5, 1, size=10)
    p = sign_flip_p(a, b[None])[0]
    assert sign_flip_p(b, a[None])[0] == p
    assert sign_flip_p(1e-8 * a + 3, 1e-8 * b[None] + 3)[0] == p


@pytest.mark.parametrize(("n_clips", "possible"), [(5, False), (6, True)])
def test_five_clips_can_never_tell(n_clips, possible):
    a, b = row("a", np.zeros((1, n_clips))), row("b", np.ones((1, n_clips)))
    assert enough(a.sample, b.sample) is possible
    assert compare(a, [b])[0].real is possible


def test_a_difference_that_one_seed_alone_shows_is_not_real():
    """Over clips it is certain, over seeds it is not: training one model was lucky."""
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.01, size=(2, 20))
    base, lucky = row("base", 1 + noise), row("lucky", np.array([[0.5], [1.0]]) + noise)
    verdict = compare(lucky, [base])[0]
    assert verdict.p < 0.05
    assert not verdict.real


def test_other_clips_are_not_paired():
    a, b = row("a", np.zeros((1, 8))), row("b", np.ones((1, 8)))
    shifted = Sample(b.sample.totals, b.sample.values, b.sample.weights, 8, tuple("abcdefgh"))
    assert compare(a, [Contender("b", shifted, b.means_B)])[0].p is None


def ladder(*means: float, spread: float = 0.05, n_clips: int = 16) -> list[Contender]:
    rng = np.random.default_rng(6)
    return [row(f"r{i}", mean + rng.normal(0, spread, size=(2, n_clips))) for i, mean in enumerate(means)]


def test_best_and_second_are_marked_where_they_differ():
    found = standing(ladder(1, 2, 3), "lower")
    assert found.marks == {"r0": "best", "r1": "second"}
    assert found.silence == ""
    assert standing(ladder(1, 2, 3), "higher").marks == {"r2": "best", "r1": "second"}


def test_ties_share_the_mark():
    assert standing(ladder(1, 1.0001, 3), "lower").marks == {"r0": "best", "r1": "best"}
    assert standing(ladder(1, 2, 2.0001, 3), "lower").marks == {"r0": "best", "r1": "second", "r2": "second"}


def test_the_last_of_two_is_not_called_second():
    assert standing(ladder(1, 2), "lower").marks == {"r0": "best"}


def test_where_the_data_cannot_tell_nothing_is_marked():
    assert standing(ladder(1, 1.01, 1.02, spread=1), "lower").silence == "no difference"
    assert standing(ladder(1, 2, 3, n_clips=4), "lower").silence == "too little"
    assert standing(ladder(1), "lower").silence == "one row"
    assert standing(ladder(1, 2), "closer to ground truth").silence == "no truth"


def test_a_row_that_could_not_be_tested_is_not_marked():
    """However bad it is, nothing says that it is worse than the best."""
    one_seed = [set_row("a", [1, 1.1, 1.2, 1.3]), set_row("b", [5, 5.1, 5.2, 5.3]), set_row("c", [100])]
    assert standing(one_seed, "lower").marks == {"a": "best"}
    *rows, other = ladder(1, 5, 100)
    elsewhere = replace(other.sample, clips=tuple(map(str, range(16))))
    assert standing([*rows, replace(other, sample=elsewhere)], "lower").marks == {"r0": "best"}


def test_closer_to_the_truth_from_both_sides():
    truth, *rows = ladder(2, 1.9, 2.5, 0)
    assert standing(rows, "closer to ground truth", truth).marks == {"r1": "best", "r2": "second"}
    sides = ladder(2, 1.5, 2.5)[1:]
    assert standing(sides, "closer to ground truth", truth).silence == "no difference"


def test_set_metrics_are_compared_over_seeds():
    """Three seeds a row allow no test: 20 ways to deal six values, two of them as wide."""
    few = [set_row("a", [1, 1.1, 1.2]), set_row("b", [5, 5.1, 5.2])]
    assert standing(few, "lower").silence == "too little"
    four = [set_row("a", [1, 1.1, 1.2, 1.3]), set_row("b", [5, 5.1, 5.2, 5.3])]
    assert standing(four, "lower").marks == {"a": "best"}


def test_the_baseline_is_compared_with_every_other_row():
    rows = ladder(1, 2, 2.0001)
    found = standing(rows, "lower", baseline=rows[1])
    assert found.against_baseline.keys() == {"r0", "r2"}
    assert found.against_baseline["r0"].real
    assert not found.against_baseline["r2"].real
