"""Motion as part features and back."""

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.standin.proportions import rest_joints
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.parts import (
    CONTACT_DISTANCE,
    PART_FEATURES,
    foot_contact,
    motion_from_six,
    part_features,
    six_from_parts,
)
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import EYES, FEET, N_JOINTS, PART_JOINTS

from .conftest import smooth_motion

JOINTS = JointModel(rest_joints(), np.zeros((55, 3, 400)), np.zeros(90))


@pytest.fixture
def motion():
    return smooth_motion(40)


def test_every_joint_but_the_eyes_belongs_to_one_part():
    owned = [joint for joints in PART_JOINTS.values() for joint in joints]
    assert sorted([*owned, *EYES]) == list(range(N_JOINTS))


def test_widths_are_the_published_ones(motion):
    features = part_features(motion, foot_contact(motion, JOINTS))
    assert {part: tuple(x.shape) for part, x in features.items()} == {
        part: (40, width) for part, width in PART_FEATURES.items()
    }


def test_there_and_back(motion):
    """All but the eyes return; x and z of the translation begin at zero, y is kept."""
    features = part_features(motion, foot_contact(motion, JOINTS))
    back = motion_from_six(*six_from_parts(features), motion.betas, motion.fps)
    poses = motion.poses.reshape(-1, N_JOINTS, 3).copy()
    poses[:, list(EYES)] = 0
    np.testing.assert_allclose(back.poses.reshape(-1, N_JOINTS, 3), poses, atol=1e-5)
    np.testing.assert_array_equal(back.expressions, motion.expressions)
    np.testing.assert_allclose(back.trans, motion.trans - motion.trans[0] * [1, 0, 1], atol=1e-6)
    assert back.fps == motion.fps


def test_asked_parts_are_those_of_the_whole(motion):
    contact = foot_contact(motion, JOINTS)
    whole = part_features(motion, contact)
    some = part_features(motion, contact, ("face", "upper"))
    assert list(some) == ["face", "upper"]
    assert all(torch.equal(some[part], whole[part]) for part in some)


def test_features_are_a_copy(motion):
    before = motion.trans.copy()
    features = part_features(motion, foot_contact(motion, JOINTS))
    for x in features.values():
        x.zero_()
    np.testing.assert_array_equal(motion.trans, before)


def test_upper_channels_are_joints_in_order(motion):
    six = axis_angle_to_6d(torch.from_numpy(motion.poses).unflatten(-1, (N_JOINTS, 3)))
    features = part_features(motion, foot_contact(motion, JOINTS))
    for place, joint in enumerate(PART_JOINTS["upper"]):
        torch.testing.assert_close(features["upper"][:, 6 * place : 6 * place + 6], six[:, joint])


@pytest.mark.parametrize("step", [1, 2])
def test_contact_is_a_foot_at_rest(motion, step):
    """Restated from joint positions, pair by pair; the last frames have no successor and count as contact."""
    contact = foot_contact(motion, JOINTS, step)
    feet = JOINTS.positions(motion)[:, FEET]
    assert contact.shape == (40, 4)
    for t in range(40 - step):
        still = np.linalg.norm(feet[t + step] - feet[t], axis=-1) < CONTACT_DISTANCE
        np.testing.assert_array_equal(contact[t], still)
    assert contact[-step:].all()
    assert 0 < contact.mean() < 1


def test_contact_at_half_the_rate_is_every_second_row(motion):
    half = motion.__class__(motion.poses[::2], motion.expressions[::2], motion.trans[::2], motion.betas, 15.0)
    np.testing.assert_array_equal(foot_contact(motion, JOINTS, 2)[::2], foot_contact(half, JOINTS))


@pytest.mark.parametrize("frames", [1, 2])
def test_contact_of_hardly_any_motion(motion, frames):
    assert foot_contact(motion.cut(0, frames), JOINTS, 2).shape == (frames, 4)


def test_any_six_numbers_make_a_rotation():
    six = torch.randn(5, N_JOINTS, 6, generator=torch.Generator().manual_seed(0))
    made = motion_from_six(six, torch.zeros(5, 100), torch.zeros(5, 3), np.zeros(300), 15.0)
    made.checked("made")
    again = axis_angle_to_6d(torch.from_numpy(made.poses).unflatten(-1, (N_JOINTS, 3)))
    first, second = six[..., :3], again[..., :3]
    torch.testing.assert_close(second, first / first.norm(dim=-1, keepdim=True), atol=1e-5, rtol=1e-5)
