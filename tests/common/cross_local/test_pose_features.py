"""Motion to features and back, and which features a mask of joints means."""

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.cross_local.pose_features import (
    HEIGHT,
    VELOCITY,
    given_features,
    motion_of,
    pose_features,
    pose_width,
)
from gesturebench.common.cross_local.smoothing import smoothed
from gesturebench.common.cross_local.track import Given
from gesturebench.common.cross_local.training_poses import Standard
from gesturebench.common.errors import InputError

T = 12


@pytest.fixture
def motion() -> Motion:
    draw = np.random.default_rng(0)
    poses = draw.normal(0, 0.4, (T, 165)).astype(np.float32)
    trans = np.cumsum(draw.normal(0, 0.01, (T, 3)), 0).astype(np.float32)
    return Motion(poses, np.zeros((T, 100), np.float32), trans, np.zeros(300, np.float32), 30.0)


def standard(differences="none") -> Standard:
    draw = np.random.default_rng(1)
    return Standard(draw.normal(size=333), draw.uniform(0.5, 2, 333), differences)


def test_there_and_back(motion):
    features = pose_features(motion)
    assert features.shape == (T, pose_width())
    back = motion_of(torch.from_numpy(features), motion.betas, tuple(motion.trans[0, [0, 2]]))
    np.testing.assert_allclose(back.poses, motion.poses, atol=2e-5)
    np.testing.assert_allclose(back.trans, motion.trans, atol=1e-5)


def test_one_frame(motion):
    back = motion_of(torch.from_numpy(pose_features(motion.cut(0, 1))), motion.betas)
    assert back.n_frames == 1
    np.testing.assert_allclose(back.trans[0, 1], motion.trans[0, 1])


@pytest.mark.parametrize("differences", ["none", "two"])
def test_standardised_there_and_back(motion, differences):
    scale, features = standard(differences), pose_features(motion)
    rows = scale.rows(features)
    assert rows.shape == (T, pose_width(differences))
    np.testing.assert_allclose(scale.back(rows), features, atol=1e-5)


def test_other_rates_are_refused(motion):
    with pytest.raises(InputError, match="60 frames per second; expected 30"):
        pose_features(Motion(motion.poses, motion.expressions, motion.trans, motion.betas, 60.0))


def test_features_of_given_joints():
    mask = np.zeros((4, 55), bool)
    mask[1, 20] = mask[2:, 0] = True
    found = given_features(mask)
    assert found[1].nonzero()[0].tolist() == list(range(120, 126))
    assert found[:, :6].all(1).tolist() == found[:, HEIGHT].tolist() == [False, False, True, True]
    assert found[:, VELOCITY].all(1).tolist() == [False, False, True, False], "the next place is not known"


@pytest.mark.parametrize("differences", ["none", "two"])
def test_what_is_given_says_nothing_of_the_rest(motion, differences):
    """Frames that are not given may hold anything."""
    mask = np.zeros((T, 55), bool)
    mask[3:6] = True
    poses, trans = motion.poses.copy(), motion.trans.copy()
    poses[[1, 7]], trans[[1, 7]] = 2.0, 50.0
    scale = standard(differences)
    changed = Motion(poses, motion.expressions, trans, motion.betas, 30.0)
    first, second = (Given.of(m, mask, scale) for m in (motion, changed))
    assert torch.equal(first.mask, second.mask)
    torch.testing.assert_close(first.rows, second.rows)
    assert first.mask.any(1).tolist() == [3 <= t < 6 for t in range(T)]


def test_a_mask_of_another_length_is_refused(motion):
    with pytest.raises(InputError, match=r"mask of shape \(11, 55\); expected \(12, 55\)"):
        Given.of(motion, np.zeros((11, 55), bool), standard())


def test_the_filter_keeps_parabolas():
    t = torch.linspace(-1, 1, 40)[:, None]
    parabola = torch.cat((t, t**2), 1)
    torch.testing.assert_close(smoothed(parabola), parabola, atol=1e-5, rtol=0)
    trembling = parabola + 0.1 * torch.tensor([1.0, -1.0]).repeat(20)[:, None]
    assert (smoothed(trembling) - parabola).abs().mean() < 0.02
    for frames in (1, 2, 3, 8):
        assert smoothed(trembling[:frames]).shape == (frames, 2)
