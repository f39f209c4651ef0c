from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.evaluators.l1div import l1_deviation


@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=30, deadline=None)
def test_scales_with_amplitude_and_ignores_position(seed, scale, shift):
    x = np.random.default_rng(seed).normal(size=(20, 12))
    assert l1_deviation(scale * x + shift) == pytest.approx(scale * l1_deviation(x), rel=1e-9)


def test_data_set_value_is_a_mean_over_frames(make, store):
    clips = [store.clip(clip_id) for clip_id in store.split("test")[:2]]
    evaluator = make.evaluator("l1div")
    values = [evaluator.update(clip.motion, clip)["l1div"] for clip in clips]
    short = replace(clips[0], motion=clips[0].motion.cut(0, 60))
    values.append(evaluator.update(short.motion, short)["l1div"])
    assert evaluator.compute()["l1div"] == pytest.approx(np.average(values, weights=[240, 240, 60]))


def test_frozen_motion_has_no_diversity(make, store):
    clip = store.clip(store.ids[0])
    frozen = replace(clip.motion, poses=np.repeat(clip.motion.poses[:1], clip.motion.n_frames, 0))
    assert make.evaluator("l1div").update(frozen, clip)["l1div"] == pytest.approx(0, abs=1e-9)


def test_turning_the_body_counts_unless_the_root_is_zeroed(make, store):
    clip = store.clip(store.ids[0])
    poses = np.array(clip.motion.poses)
    poses[:, 1] += np.linspace(0, 2, len(poses))
    turning = replace(clip.motion, poses=poses)
    kept, zeroed = (
        [make.evaluator("l1div", root=root).update(m, clip)["l1div"] for m in (clip.motion, turning)]
        for root in ("kept", "zeroed")
    )
    assert kept[1] > 1.2 * kept[0]
    assert zeroed[1] == pytest.approx(zeroed[0])


def test_the_way_through_the_room_counts_where_it_is_kept(make, store):
    clip = store.clip(store.ids[0])
    trans = np.zeros((240, 3), np.float32)
    trans[:120, 0] = 2.0
    standing, walking = replace(clip.motion, trans=0 * trans), replace(clip.motion, trans=trans)
    zero, kept = (
        [make.evaluator("l1div", trans=value).update(motion, clip)["l1div"] for motion in (standing, walking)]
        for value in ("zero", "kept")
    )
    assert zero[0] == zero[1] == kept[0]
    # every joint is 1 m from its mean along x, give or take what it moves by itself
    assert kept[1] == pytest.approx(55, rel=0.2)
