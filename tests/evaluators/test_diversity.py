from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from gesturebench.common.errors import InputError
from gesturebench.evaluators.diversity import average_distance, mean_pair_distance, pair_distances, rooted
from gesturebench.evaluators.pairs import joint_positions


@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 30), st.integers(1, 20), st.floats(-1e3, 1e3))
@settings(max_examples=60, deadline=None)
def test_agrees_with_scipy_whatever_the_blocks(seed, n, dim, block, far):
    x = np.random.default_rng(seed).normal(size=(n, dim)) + far
    np.testing.assert_allclose(pair_distances(x, block), pdist(x), rtol=1e-9)


@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-6, 1e-3])
def test_near_and_equal_rows_lose_no_digits(gap):
    """|a|^2 - 2ab + |b|^2 alone is off by 1e-8 times the norms here."""
    x = np.random.default_rng(0).normal(size=(5, 300))
    x[1] = x[0]
    x[1, 7] += gap
    np.testing.assert_allclose(pair_distances(x), pdist(x), rtol=1e-7, atol=0)


def test_single_precision_input_is_summed_in_double():
    x = np.random.default_rng(1).normal(size=(30, 5000)).astype(np.float32)
    assert mean_pair_distance(x) == pytest.approx(pdist(x.astype(np.float64)).mean(), rel=1e-9)


@given(st.integers(0, 1000), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_scales_with_amplitude_and_repeats_of_the_motion(seed, scale):
    clips = np.random.default_rng(seed).normal(size=(4, 10, 6))
    value = average_distance(clips)
    assert average_distance(scale * clips + 3) == pytest.approx(scale * value)
    assert average_distance(np.concatenate([clips, clips], axis=1)) == pytest.approx(value / np.sqrt(2))


def test_evaluator_is_the_formula_on_the_first_frames(make, store):
    evaluator, ids = make.evaluator("diversity", frames=50), store.ids[:5]
    for clip_id in ids:
        evaluator.update(store.motion(clip_id), store.clip(clip_id))
    flat = [joint_positions(store.joints, store.motion(i), store.clip(i))[:50].ravel() for i in ids]
    assert evaluator.compute()["diversity"] == pytest.approx(pdist(np.stack(flat)).mean() / 50, rel=1e-6)


def test_the_same_motion_for_every_clip_has_no_diversity(make, store):
    evaluator = make.evaluator("diversity", shape="zero")
    for clip_id in store.ids[:3]:
        evaluator.update(store.motion(store.ids[0]), store.clip(clip_id))
    assert evaluator.compute()["diversity"] == 0


def test_bodies_count_unless_shape_and_origin_say_otherwise(make, store):
    """Two clips of different bodies in the same pose."""
    moved = np.zeros_like(store.joints.directions)
    moved[..., 0] = 0.1  # one shape coefficient that moves every joint by the same vector
    larger = replace(store.joints, directions=moved)
    motion = store.motion(store.ids[0])
    poses = {0.0: replace(motion, betas=np.zeros(300)), 1.0: replace(motion, betas=np.eye(300)[0])}
    values = {}
    for settings_ in ({}, {"origin": "first_frame"}, {"shape": "zero"}):
        evaluator = make.evaluator("diversity", **settings_)
        evaluator.store = type("", (), {"joints": larger})
        for clip_id, body in zip(store.ids, poses.values()):
            evaluator.update(motion, replace(store.clip(clip_id), motion=body))
        values[tuple(settings_)] = evaluator.compute()["diversity"]
    assert values[()] == pytest.approx(0.1 * np.sqrt(165 * 60) / 60, rel=1e-5)
    assert values[("origin",)] == pytest.approx(0, abs=1e-7)
    assert values[("shape",)] == 0


def test_rooted_starts_at_the_pelvis():
    positions = np.random.default_rng(0).normal(size=(4, 165))
    assert rooted(positions, "none") is positions
    moved = rooted(positions, "first_frame").reshape(4, 55, 3)
    assert (moved[0, 0] == 0).all()
    np.testing.assert_allclose(moved - moved[0, 3], (p := positions.reshape(4, 55, 3)) - p[0, 3], atol=1e-12)


def test_short_clips_are_skipped_and_counted(make, store):
    evaluator = make.evaluator("diversity", frames=100)
    for clip_id, n in zip(store.ids, (240, 99, 100)):
        clip = store.clip(clip_id).cut(0, n)
        evaluator.update(clip.motion, clip)
    numbers = evaluator.compute()
    assert (numbers["n"], numbers["skipped"]) == (2, 1)


def test_whole_clips_must_be_of_one_length(make, store):
    evaluator = make.evaluator("diversity", frames=None)
    for clip_id, n in zip(store.ids, (240, 239)):
        clip = store.clip(clip_id).cut(0, n)
        evaluator.update(clip.motion, clip)
    with pytest.raises(InputError, match=rf"{store.ids[1]} has 239 frames, {store.ids[0]} 240"):
        evaluator.compute()


def test_one_clip_has_no_pair(make, store):
    evaluator = make.evaluator("diversity")
    evaluator.update(store.motion(store.ids[0]), store.clip(store.ids[0]))
    with pytest.raises(InputError, match="diversity of 1 clips"):
        evaluator.compute()
