"""The motion domain: features and back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.motion.resample import decimate
from gesturebench.common.motion.rotations import axis_angle_to_matrix
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.methods.remodiffuse.motion import (
    BODY,
    CONTACT,
    FPS,
    HEIGHT,
    VELOCITY,
    at_store_rate,
    forward_velocity,
    frames_of,
    motion_features,
    motion_of,
    motion_width,
)


def matrices(poses: np.ndarray) -> torch.Tensor:
    return axis_angle_to_matrix(torch.from_numpy(np.array(poses, np.float64)).unflatten(-1, (N_JOINTS, 3)))


@pytest.fixture(scope="module")
def motion(store):
    return store.motion(store.split("train")[0])


@pytest.mark.parametrize("expressions", [False, True])
def test_features_and_back(motion, store, expressions):
    features = motion_features(motion, store.joints, expressions)
    assert features.shape == (frames_of(motion.n_frames), motion_width(expressions))
    assert features.dtype == np.float32
    start = float(motion.trans[0, 0]), float(motion.trans[0, 2])
    back, slow = motion_of(torch.from_numpy(features), motion.betas, start), decimate(motion, FPS)
    assert (matrices(back.poses) - matrices(slow.poses)).abs().max() < 1e-5
    assert np.abs(back.trans - slow.trans).max() < 1e-4
    assert np.abs(back.expressions - (slow.expressions if expressions else 0)).max() < 1e-6


def test_frames_that_were_kept_come_back_untouched(motion, store):
    frames = motion.n_frames - (motion.n_frames % 2 == 0)  # an odd number, so that the last one is kept too
    cut = motion.cut(0, frames)
    features = torch.from_numpy(motion_features(cut, store.joints))
    start = float(cut.trans[0, 0]), float(cut.trans[0, 2])
    fast = at_store_rate(motion_of(features, cut.betas, start), frames)
    assert (fast.n_frames, fast.fps) == (frames, 30)
    assert (matrices(fast.poses[::2]) - matrices(cut.poses[::2])).abs().max() < 1e-5
    assert np.abs(fast.trans[::2] - cut.trans[::2]).max() < 1e-4


def test_velocity_is_in_metres_per_second_and_contact_a_bit(motion, store):
    features = motion_features(motion, store.joints)
    slow = decimate(motion, FPS)
    step = (slow.trans[1] - slow.trans[0]) * FPS
    assert np.allclose(features[0, VELOCITY], step[[0, 2]], atol=1e-4)
    assert np.allclose(features[:, HEIGHT], slow.trans[:, 1])
    assert set(np.unique(features[:, CONTACT])) <= {0.0, 1.0}
    assert features.shape[1] == BODY


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10_000))
def test_a_path_is_the_sum_of_its_velocities(frames, seed):
    path = np.random.default_rng(seed).normal(size=(frames, 2)).cumsum(0)
    velocity = forward_velocity(path)
    assert velocity.shape == path.shape
    assert np.allclose(path[0] + np.cumsum(velocity[:-1], axis=0) / FPS, path[1:])


def test_one_frame(motion, store):
    features = motion_features(motion.cut(0, 1), store.joints)
    back = at_store_rate(motion_of(torch.from_numpy(features), motion.betas), 1)
    assert back.n_frames == 1
    assert (matrices(back.poses) - matrices(motion.poses[:1])).abs().max() < 1e-5
