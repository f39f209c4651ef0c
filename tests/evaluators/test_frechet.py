import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from gesturebench.common.errors import InputError
from gesturebench.evaluators.frechet import Moments, frechet_distance


def features(seed: int, n: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) + rng.normal(size=dim)


def by_matrix_root(x: np.ndarray, y: np.ndarray) -> float:
    """The textbook formula with a general matrix square root, an independent implementation."""
    a, b = np.cov(x.T), np.cov(y.T)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real))


@given(st.integers(0, 10_000), st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_agrees_with_the_general_matrix_root(seed, dim):
    x, y = features(seed, 40 + dim, dim), features(seed + 1, 60, dim)
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(by_matrix_root(x, y), rel=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_a_set_has_no_distance_to_itself(seed, dim):
    x = features(seed, 10, dim)
    assert frechet_distance(Moments.of(x), Moments.of(x)) == 0.0
    shuffled = Moments.of(x[::-1])
    assert 0 <= frechet_distance(Moments.of(x), shuffled) < 1e-10 * max(1.0, np.trace(shuffled.covariance))


def test_symmetric_and_grows_with_the_shift():
    x = features(0, 200, 6)
    a = Moments.of(x)
    distances = [frechet_distance(a, Moments.of(x + shift)) for shift in (0.1, 0.2, 0.4)]
    assert distances == pytest.approx([6 * shift**2 for shift in (0.1, 0.2, 0.4)])
    b = Moments.of(features(1, 100, 6))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_one_dimension_is_the_closed_form():
    x, y = features(2, 50, 1), features(3, 70, 1)
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 49))
@settings(max_examples=20, deadline=None)
def test_moments_add_up(cut):
    x = features(4, 50, 5)
    merged, whole = Moments.of(x[:cut]) + Moments.of(x[cut:]), Moments.of(x)
    assert merged.n == 50
    np.testing.assert_allclose(merged.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(x.T), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(merged.outer, whole.outer, rtol=1e-12)


def test_constant_and_rank_deficient_sets_stay_finite():
    constant, few = np.ones((5, 40)), features(5, 7, 40)
    distance = frechet_distance(Moments.of(constant), Moments.of(few))
    assert distance == pytest.approx(((few.mean(0) - 1) ** 2).sum() + np.trace(np.cov(few.T)), rel=1e-9)
    assert frechet_distance(Moments.of(constant), Moments.of(constant + 1)) == pytest.approx(40.0)


def test_one_feature_has_no_covariance():
    with pytest.raises(InputError, match="1 features"):
        frechet_distance(Moments.of(np.ones((1, 3))), Moments.of(np.eye(3)))
