"""The SMPL-X skeleton of BEAT2: 55 joints, their parents, and the body parts the methods compress separately."""

import numpy as np

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")

JOINT_NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye", "right_eye",
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in _FINGERS for k in (1, 2, 3)),
)  # fmt: skip
N_JOINTS = len(JOINT_NAMES)
JOINT = {name: index for index, name in enumerate(JOINT_NAMES)}

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
    21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53,
)  # fmt: skip

UPPER = (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)
LOWER = (0, 1, 2, 4, 5, 7, 8, 10, 11)
HANDS = tuple(range(25, 55))
JAW = (22,)
PART_JOINTS: dict[str, tuple[int, ...]] = {"upper": UPPER, "hands": HANDS, "face": JAW, "lower": LOWER}
PART_NAMES = tuple(PART_JOINTS)
EYES = (23, 24)
"""The eyes belong to no part: they are identity in every prediction."""
FEET = (7, 8, 10, 11)
"""Joints whose speed decides foot contact, in the channel order of BEAT2 code."""
SELECTIONS: dict[str, tuple[int, ...]] = PART_JOINTS | {
    "full": tuple(range(N_JOINTS)),
    "local_upper": tuple(sorted(UPPER + HANDS)),
    "local_full": tuple(range(1, N_JOINTS)),
}
"""Named sets of joints: the parts, all joints, and those of the newer BEAT2 code: upper body with hands (43), all but
the root (54)."""


def pose_channels(joints: tuple[int, ...]) -> np.ndarray:
    """Columns of a (T, 165) pose that belong to `joints`, in the given order.

    >>> pose_channels((22,))
    array([66, 67, 68])
    """
    return (3 * np.asarray(joints)[:, None] + np.arange(3)).ravel()


def channel_mask(joints: tuple[int, ...]) -> np.ndarray:
    """(165,) bool: the columns of a pose that belong to `joints`."""
    mask = np.zeros(3 * N_JOINTS, dtype=bool)
    mask[pose_channels(joints)] = True
    return mask


def selected(poses: np.ndarray, joints: tuple[int, ...]) -> np.ndarray:
    """(..., 165) -> (..., 3 k): the channels of `joints`."""
    return poses[..., pose_channels(joints)]


def recovered(channels: np.ndarray, joints: tuple[int, ...]) -> np.ndarray:
    """(..., 3 k) -> (..., 165): the inverse of `selected`; joints outside the selection do not turn (zero)."""
    poses = np.zeros((*channels.shape[:-1], 3 * N_JOINTS), channels.dtype)
    poses[..., pose_channels(joints)] = channels
    return poses
