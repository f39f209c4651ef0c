"""The joint table against the numbers that BEAT2 files and published checkpoints are laid out by."""

import numpy as np
import pytest

from gesturebench.common.motion.skeleton import (
    EYES,
    JOINT,
    JOINT_NAMES,
    N_JOINTS,
    PARENTS,
    PART_JOINTS,
    SELECTIONS,
    channel_mask,
    pose_channels,
    recovered,
    selected,
)

KNOWN = {
    "pelvis": 0, "spine3": 9, "left_foot": 10, "right_foot": 11, "neck": 12, "head": 15, "left_shoulder": 16,
    "right_elbow": 19, "right_wrist": 21, "jaw": 22, "left_index1": 25, "left_middle1": 28, "left_pinky1": 31,
    "left_ring1": 34, "left_thumb1": 37, "right_index1": 40, "right_thumb3": 54,
}  # fmt: skip


@pytest.mark.parametrize(("name", "index"), KNOWN.items())
def test_joint_numbers_are_those_of_smplx(name, index):
    assert JOINT[name] == index


def test_tree_is_ordered_and_sided():
    assert len(set(JOINT_NAMES)) == len(PARENTS) == N_JOINTS == 55
    assert all(parent < joint for joint, parent in enumerate(PARENTS))
    for name, joint in JOINT.items():
        other = name.replace("left_", "right_") if name.startswith("left_") else None
        if other and not JOINT_NAMES[PARENTS[joint]].startswith("left_"):
            assert PARENTS[JOINT[other]] == PARENTS[joint]


def test_parts_and_eyes_cover_every_joint_once():
    joints = sorted([*EYES, *(joint for part in PART_JOINTS.values() for joint in part)])
    assert joints == list(range(N_JOINTS))
    channels = np.concatenate([pose_channels(part) for part in (EYES, *PART_JOINTS.values())])
    assert sorted(channels) == list(range(3 * N_JOINTS))


@pytest.mark.parametrize("name", SELECTIONS)
def test_selected_channels_come_back_and_the_rest_is_still(name):
    joints = SELECTIONS[name]
    poses = np.random.default_rng(0).normal(size=(4, 165)).astype(np.float32)
    back = recovered(selected(poses, joints), joints)
    mask = channel_mask(joints)
    np.testing.assert_array_equal(back[:, mask], poses[:, mask])
    assert not back[:, ~mask].any()
    assert mask.sum() == 3 * len(joints)


def test_selections_of_the_newer_code():
    assert len(SELECTIONS["local_upper"]) == 43
    assert set(SELECTIONS["local_upper"]) == {*PART_JOINTS["upper"], *PART_JOINTS["hands"]}
    assert SELECTIONS["local_full"] == tuple(range(1, N_JOINTS))
