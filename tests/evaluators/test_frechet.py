import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from threadpoolctl import threadpool_info, threadpool_limits

from gesturebench.common.errors import InputError
from gesturebench.evaluators.frechet import GIVEN_UP, JITTER, Moments, frechet_distance, legacy_root_trace


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
    assert frechet_distance(Moments.of(x), Moments.of(x[::-1])) == 0.0
    assert frechet_distance(Moments.of(x), Moments.of(x[7:]) + Moments.of(x[:7])) == 0.0


@given(st.integers(0, 10_000), st.floats(1e-5, 1e-3))
@settings(max_examples=25, deadline=None)
def test_a_small_shift_is_not_taken_for_rounding(seed, shift):
    x = features(seed, 30, 6)
    assert frechet_distance(Moments.of(x), Moments.of(x + shift)) == pytest.approx(6 * shift**2, rel=0.02)


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
    merged = Moments.of(x[:cut]) + Moments.of(x[cut:])
    assert merged.n == 50
    np.testing.assert_allclose(merged.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(x.T), rtol=1e-12, atol=1e-12)


def test_nothing_adds_nothing():
    x = Moments.of(features(4, 9, 3))
    for total in (x + Moments.empty(3), Moments.empty(3) + x, x + Moments.of(np.empty((0, 3)))):
        assert total.n == 9
        assert np.array_equal(total.mean, x.mean)
        assert np.array_equal(total.scatter, x.scatter)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_a_mean_far_larger_than_the_spread_costs_no_digits(offset):
    """Sums of x x^T would be left with 16 - 2 log10(mean / spread) digits: 4 at a million."""
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(400, 3)) * 2**20) / 2**20  # exact in float64 beside the offset
    shards = [Moments.of(part + offset) for part in np.array_split(x, 13)]
    forward, backward = sum(shards[1:], shards[0]), sum(shards[-2::-1], shards[-1])
    np.testing.assert_allclose(forward.covariance, np.cov(x.T), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(forward.covariance, backward.covariance, rtol=1e-9, atol=1e-9)


def test_constant_and_rank_deficient_sets_stay_finite():
    constant, few = np.ones((5, 40)), features(5, 7, 40)
    distance = frechet_distance(Moments.of(constant), Moments.of(few))
    assert distance == pytest.approx(((few.mean(0) - 1) ** 2).sum() + np.trace(np.cov(few.T)), rel=1e-9)
    assert frechet_distance(Moments.of(constant), Moments.of(constant + 1)) == pytest.approx(40.0)


def test_one_feature_has_no_covariance():
    with pytest.raises(InputError, match="1 features"):
        frechet_distance(Moments.of(np.ones((1, 3))), Moments.of(np.eye(3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad):
    x = features(6, 20, 4)
    x[3, 1] = bad
    with pytest.raises(InputError, match="1 of 80 features are not finite"):
        Moments.of(x)


@given(st.integers(0, 10_000), st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_the_legacy_formula_is_the_exact_one_where_both_sets_have_full_rank(seed, dim):
    a, b = Moments.of(features(seed, 40 + dim, dim)), Moments.of(features(seed + 1, 60, dim))
    assert frechet_distance(a, b, "legacy") == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_the_legacy_formula_gives_up_on_a_complex_root():
    """(A B) with a negative eigenvalue, as rounding may make of singular covariances, has no real root."""
    assert np.isnan(legacy_root_trace(np.diag([1.0, 1.0]), np.diag([1.0, -1e-4])))
    assert legacy_root_trace(np.diag([1.0, 1.0]), np.diag([1.0, -1e-8])) == pytest.approx(1.0)
    negative = Moments(10, np.zeros(2), 9 * np.diag([1.0, -1e-4]))
    assert frechet_distance(Moments(10, np.zeros(2), 9 * np.eye(2)), negative, "legacy") == GIVEN_UP


@pytest.mark.parametrize("dim", [1, 16, 240])
def test_the_newer_tools_score_equal_sets_below_zero(dim):
    """sqrtm((S + e I)^2) = S + e I: the distance of equal sets is -2 e D."""
    x = Moments.of(features(7, 300, dim))
    assert frechet_distance(x, x, "evaltools") == pytest.approx(-2 * JITTER * dim, rel=1e-4)


def test_the_newer_tools_agree_with_the_general_matrix_root():
    x, y = features(8, 200, 6), features(9, 100, 6)
    a, b, jitter = np.cov(x.T), np.cov(y.T), JITTER * np.eye(6)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm((a + jitter) @ (b + jitter)).real)
    assert frechet_distance(Moments.of(x), Moments.of(y), "evaltools") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [2, 10, 239, 240, 241, 500])
def test_real_and_finite_with_any_number_of_features(n):
    x, y = features(10, n, 240), features(11, n, 240)
    distance = frechet_distance(Moments.of(x), Moments.of(y))
    assert isinstance(distance, float)
    assert np.isfinite(distance)
    assert distance > 0


@given(st.integers(0, 10_000), st.integers(2, 30), st.floats(0, 8))
@settings(max_examples=30, deadline=None)
def test_spreads_along_common_axes_have_a_closed_form(seed, dim, decades):
    """S_a = Q diag(u^2) Q^T and S_b = Q diag(v^2) Q^T: d = |u - v|^2, however unequal the axes are."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    u, v = 10.0 ** -rng.uniform(0, decades / 2, (2, dim))
    a, b = (Moments(101, np.zeros(dim), 100 * (axes * spread**2) @ axes.T) for spread in (u, v))
    # spreads below 1e-8 of the largest are lost: their squares are rounding of the covariance
    assert frechet_distance(a, b) == pytest.approx(((u - v) ** 2).sum(), rel=1e-6, abs=1e-6)


def test_threads_are_left_as_they_were():
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    x = Moments.of(features(12, 50, 5))
    with threadpool_limits(2, "blas"):
        before = threads()
        frechet_distance(x, x)
        assert threads() == before
