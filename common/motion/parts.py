"""Motion as the part features that codecs read, and back (BEAT2 conventions: 6D rotations, lower body with translation
and foot contact).

| part  | content                                          | features         |
|-------|--------------------------------------------------|------------------|
| upper | 13 joints x 6D                                   | 78               |
| hands | 30 joints x 6D                                   | 180              |
| face  | jaw 6D + 100 expression coefficients             | 106              |
| lower | 9 joints x 6D + translation (3) + contact (4)    | 61               |
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.rotations import axis_angle_from_6d, axis_angle_to_6d
from gesturebench.common.motion.skeleton import FEET, N_JOINTS, PART_JOINTS, PART_NAMES

PART_FEATURES = {"upper": 78, "hands": 180, "face": 106, "lower": 61}
CONTACT_DISTANCE = 0.01
"""Metres from frame to frame below which a foot joint is in contact."""


def foot_contact(motion: Motion, joints: JointModel, step: int = 1) -> np.ndarray:
    """(T, 4) float32: `contacts` of ankles and feet, from joint positions with translation and expressions."""
    return contacts(joints.positions(motion)[:, FEET], step).astype(np.float32)


def contacts(feet: np.ndarray, step: int = 1) -> np.ndarray:
    """(T, K, 3) metres -> (T, K) bool: |x[t + step] - x[t]| < 1 cm; the last `step` frames are in contact.

    With `step` k, every k-th row is the contact of the motion at a k-th of its rate. At 30 fps the limit is 0.3 m/s;
    the same 1 cm at 15 fps, as RAG-Gesture uses it, is half that speed.
    """
    moved = np.linalg.norm(feet[step:] - feet[:-step], axis=-1)
    rest = np.ones((min(step, len(feet)), feet.shape[1]), bool)
    return np.concatenate([moved < CONTACT_DISTANCE, rest])[: len(feet)]


def part_features(motion: Motion, contact: np.ndarray, parts: Sequence[str] = PART_NAMES) -> dict[str, Tensor]:
    """Features (T, F) of the asked parts, with `contact` (T, 4) from `foot_contact`.

    Translation x and z are relative to the first frame, y is absolute.
    """
    poses = torch.from_numpy(np.array(motion.poses, dtype=np.float32)).unflatten(-1, (N_JOINTS, 3))
    return {
        part: torch.cat(
            [axis_angle_to_6d(poses[:, list(PART_JOINTS[part])]).flatten(1), *_beside_joints(part, motion, contact)], -1
        )
        for part in parts
    }


def _beside_joints(part: str, motion: Motion, contact: np.ndarray) -> list[Tensor]:
    if part == "face":
        return [torch.from_numpy(np.array(motion.expressions, dtype=np.float32))]
    if part == "lower":
        trans = torch.from_numpy(np.array(motion.trans, dtype=np.float32))
        trans[:, [0, 2]] -= trans[0, [0, 2]].clone()
        return [trans, torch.from_numpy(np.array(contact))]
    return []


def six_from_parts(parts: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Decoded features (..., T, F) -> 6D of all joints (..., T, 55, 6), expressions (..., T, 100), translation (..., T,
    3).

    Eyes belong to no part: identity.
    """
    lead = parts["upper"].shape[:-1]
    six = parts["upper"].new_tensor([1.0, 0, 0, 0, 1, 0]).expand(*lead, N_JOINTS, 6).clone()
    for part, joints in PART_JOINTS.items():
        six[..., list(joints), :] = parts[part][..., : 6 * len(joints)].unflatten(-1, (len(joints), 6))
    return six, parts["face"][..., 6:], parts["lower"][..., 54:57]


def motion_from_six(six: Tensor, expressions: Tensor, trans: Tensor, betas: np.ndarray, fps: float) -> Motion:
    """(T, 55, 6), (T, 100), (T, 3) -> Motion; any six numbers are orthonormalised."""
    poses = axis_angle_from_6d(six.double()).flatten(1).float()
    return Motion(poses.numpy(), expressions.float().numpy(), trans.float().numpy(), np.asarray(betas, np.float32), fps)
