import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from gesturebench.common.embedding.matching import distance_matrix, matched_distances, r_precision, ranks, top_k
from gesturebench.evaluators.embedding import Embedded, mean_and_interval
from gesturebench.evaluators.embedding_fid import EmbeddingFID
from gesturebench.evaluators.embedding_spread import (
    EmbeddingDiversity,
    EmbeddingMultiModality,
    diversity,
    drawn_pairs,
    multimodality,
)
from gesturebench.evaluators.rareness import balanced_mean, rareness, tail_mean


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_distances_agree_with_scipy(seed, n, dim):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, dim)), rng.normal(size=(n + 3, dim))
    np.testing.assert_allclose(distance_matrix(a, b), cdist(a, b), rtol=1e-12)
    np.testing.assert_allclose(matched_distances(a, b[:n]), np.diag(cdist(a, b)), rtol=1e-12)


def test_equal_rows_are_at_distance_zero():
    x = np.random.default_rng(0).normal(size=(4, 512)).astype(np.float32) * 100
    assert (np.diag(distance_matrix(x, x)) == 0).all()


@given(st.integers(0, 1000), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_ranks_are_places_in_the_sorted_row(seed, n):
    distances = np.random.default_rng(seed).integers(0, 5, size=(n, n)).astype(float)  # many ties
    order = np.argsort(distances, axis=1, kind="stable")
    assert ranks(distances).tolist() == [int(np.flatnonzero(row == i)[0]) for i, row in enumerate(order)]


def test_a_collapsed_space_scores_chance():
    x = np.zeros((64, 4))
    np.testing.assert_allclose(r_precision(x, x, batch=32), [1 / 32, 2 / 32, 3 / 32])


def test_a_perfect_space_scores_one_and_a_shuffled_one_chance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32 * 200, 8))
    assert r_precision(x, x).tolist() == [1, 1, 1]
    np.testing.assert_allclose(r_precision(x, rng.normal(size=x.shape)), np.arange(1, 4) / 32, atol=0.01)


def test_last_batch_is_dropped_or_kept():
    rng = np.random.default_rng(1)
    speech, motion = rng.normal(size=(35, 4)), rng.normal(size=(35, 4))
    assert r_precision(speech, motion).tolist() == r_precision(speech[:32], motion[:32]).tolist()
    kept = r_precision(speech, motion, drop_last=False)
    first, last = (top_k(distance_matrix(speech[cut], motion[cut]), 3).sum(0) for cut in (slice(32), slice(32, 35)))
    np.testing.assert_allclose(kept, (first + last) / 35)
    assert last[2] == 3  # three compete for three places


def test_fid_is_the_published_formula():
    rng = np.random.default_rng(2)
    motion, captured = rng.normal(size=(200, 5)), 1.3 * rng.normal(size=(200, 5)) + 0.2
    metric = EmbeddingFID(EmbeddingFID.Config())
    metric.update(Embedded([str(i) for i in range(200)], motion, motion, captured=captured))
    a, b = np.cov(motion, rowvar=False), np.cov(captured, rowvar=False)
    shift = motion.mean(0) - captured.mean(0)
    expected = shift @ shift + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert metric.compute()["embedding_fid"] == pytest.approx(expected, rel=1e-8)


def test_drawn_pairs_repeat_published_draws():
    np.random.seed(7)  # noqa: NPY002, the generator whose draws are repeated
    first, second = (np.random.choice(50, 20, replace=False) for _ in range(2))  # noqa: NPY002
    ours = drawn_pairs(50, 20, np.random.RandomState(7))
    assert (ours[0].tolist(), ours[1].tolist()) == (first.tolist(), second.tolist())


def test_spread_of_two_points():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert diversity(x, np.array([0, 1]), np.array([1, 1])) == 2.5
    assert multimodality(np.stack([x, 2 * x]), np.array([0]), np.array([1])) == 7.5


def test_drawn_diversity_tends_to_the_mean_distance():
    x = np.random.default_rng(3).normal(size=(400, 6))
    metric = EmbeddingDiversity(EmbeddingDiversity.Config(pairs=400))
    metric.update(Embedded([f"{i:03d}" for i in range(400)], x, x))
    assert metric.compute()["embedding_diversity"] == pytest.approx(cdist(x, x).mean(), rel=0.05)


def test_multimodality_compares_samples_of_one_unit_only():
    rng = np.random.default_rng(4)
    centres = 100 * rng.normal(size=(6, 1, 3))
    samples = centres + rng.normal(size=(6, 5, 3))
    metric = EmbeddingMultiModality(EmbeddingMultiModality.Config(units=50, samples=5, pairs=5))
    ids = [f"{unit}" for unit in range(6) for _ in range(5)]
    metric.update(Embedded(ids, samples.reshape(-1, 3), samples.reshape(-1, 3), sample=np.tile(np.arange(5), 6)))
    assert 0 < metric.compute()["embedding_multimodality"] < 10


def test_rareness_is_one_minus_the_best_cosine():
    rng = np.random.default_rng(5)
    text, training = rng.normal(size=(7, 4)), rng.normal(size=(9, 4))
    np.testing.assert_allclose(rareness(text, training), cdist(text, training, "cosine").min(1), rtol=1e-9)
    np.testing.assert_allclose(rareness(3 * training, training), 0, atol=1e-12)
    assert rareness(np.zeros((1, 4)), training).tolist() == [1]


@pytest.mark.parametrize(("n", "count"), [(1, 1), (20, 1), (21, 2), (100, 5), (140, 7)])
def test_tail_is_the_rarest_twentieth_rounded_up(n, count):
    rare = np.random.default_rng(6).permutation(n).astype(float)
    assert tail_mean(rare, rare) == pytest.approx(np.arange(n)[-count:].mean())


def test_of_equally_rare_units_the_last_count():
    assert tail_mean(np.arange(40.0), np.ones(40)) == 38.5


def test_balanced_mean_weighs_bins_alike():
    rare = np.array([0.0, 0.001, 0.002, 0.5, 1.0])
    values = np.array([1.0, 2.0, 3.0, 10.0, 20.0])
    assert balanced_mean(values, rare) == pytest.approx((2 + 10 + 20) / 3)
    assert balanced_mean(values, rare, bins=1) == pytest.approx(values.mean())
    assert balanced_mean(values, np.full(5, 0.3)) == pytest.approx(values.mean())


def test_interval_of_replications():
    mean, half = mean_and_interval(np.array([[1.0, 0.0], [3.0, 0.0]]))
    assert mean.tolist() == [2, 0]
    np.testing.assert_allclose(half, [1.96 / np.sqrt(2), 0])
