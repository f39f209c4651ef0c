"""Aggregation: means, weights, and intervals that cover what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gesturebench.results.numbers import (
    Number,
    Sample,
    replicates,
    student_half_width,
    summarise,
)


def only_number(sample: Sample) -> Number:
    return summarise([sample])[0][0]


def limits(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Of the interval of one sample with these values by clip."""
    number = only_number(Sample(values.mean(1), values, weights, values.shape[1]))
    return number.low, number.high


def test_one_seed_without_clips_has_no_interval():
    number = only_number(Sample(np.array([2.0]), None, None, 5))
    assert (number.mean, number.interval, number.n) == (2.0, "none", 5)
    assert np.isnan(number.half_width)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=6))
def test_student_interval_equals_scipy(totals):
    totals = np.array(totals)
    if totals.std() < 1e-9:
        assert student_half_width(totals) == pytest.approx(0, abs=1e-6)
        return
    low, high = stats.t.interval(0.95, len(totals) - 1, totals.mean(), stats.sem(totals))
    number = only_number(Sample(totals, None, None, 1))
    assert number.interval == "seeds"
    assert (number.low, number.high) == pytest.approx((low, high))


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says():
    """200 experiments of 30 clips; the count of intervals holding 0 is binomial with p near .95 (percentile bootstraps
    cover a bit less)."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        values = rng.normal(size=(1, 30))
        low, high = limits(values, np.ones_like(values))
        hits += low <= 0 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).normal(size=(1, 400))
    low, high = limits(values, np.ones_like(values))
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(2, 8), st.floats(0.1, 10), st.floats(-5, 5))
def test_bootstrap_is_equivariant(n_seeds, n_clips, scale, shift):
    rng = np.random.default_rng(n_seeds * 10 + n_clips)
    values, weights = rng.normal(size=(n_seeds, n_clips)), rng.uniform(0.5, 2, size=(n_seeds, n_clips))
    low, high = limits(values, weights)
    assert limits(scale * values + shift, weights) == pytest.approx((scale * low + shift, scale * high + shift))


def test_a_clip_without_weight_does_not_count():
    values, weights = np.array([[1.0, 1.0, 50.0]]), np.array([[1.0, 2.0, 0.0]])
    assert limits(values, weights) == pytest.approx((1.0, 1.0))


def test_contains():
    assert Number(1, 0.5, 1.5, "seeds", 2, 3).contains(1.2)
    assert not Number(1, 0.5, 1.5, "seeds", 2, 3).contains(2)
    assert not Number(1, np.nan, np.nan, "none", 1, 3).contains(1.2)


def test_samples_are_drawn_together_as_each_alone():
    rng = np.random.default_rng(2)
    shapes = [(2, 9), (1, 9), (2, 9), (3, 1)]
    samples = [
        Sample(rng.normal(size=s), rng.normal(size=(s, c)), rng.uniform(1, 3, size=(s, c)), c) for s, c in shapes
    ]
    numbers, means = summarise(samples)
    assert [(n.low, n.high) for n in numbers[:3]] == [limits(s.values, s.weights) for s in samples[:3]]
    assert numbers[3].interval == "seeds"
    assert means[3] is None


def test_rows_share_their_draws_so_that_differences_are_paired():
    """A constant between two rows stays a constant in every replicate, whatever their seeds."""
    values = np.random.default_rng(3).normal(size=(1, 12))
    one, other = (
        Sample(np.zeros(1), values, np.ones((1, 12)), 12),
        Sample(np.zeros(3), np.repeat(values + 2, 3, axis=0), np.ones((3, 12)), 12),
    )
    means = replicates([one, other])
    np.testing.assert_allclose(means[1] - means[0], 2)


def test_intervals_over_seeds_and_clips_cover_what_they_should():
    """200 experiments of 4 trained seeds and 25 clips with effects of both. Drawn from 4 seeds, the spread of seeds
    comes out short by a quarter, hence somewhat fewer hits than 95 %; clips alone would give far fewer."""
    rng = np.random.default_rng(4)
    hits = hits_of_clips = 0
    for _ in range(200):
        values = rng.normal(0, 0.3, (4, 1)) + rng.normal(0, 1, (1, 25)) + rng.normal(0, 1, (4, 25))
        low, high = limits(values, np.ones_like(values))
        hits += low <= 0 <= high
        low, high = limits(values.mean(0, keepdims=True), np.ones((1, 25)))
        hits_of_clips += low <= 0 <= high
    assert 0.88 <= hits / 200 <= 0.99
    assert hits_of_clips < hits
