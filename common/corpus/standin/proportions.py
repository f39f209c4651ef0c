"""The stand-in skeleton: rest joints and bone tips of a 1.70 m person in T-pose.

Lengths are the body-height fractions common in biomechanics textbooks.

y up, +x the subject's left, +z forward, metres; the pelvis lies 0.35 m below the origin, as in SMPL-X. Arms and legs
are straight lines at rest, so that two-bone kinematics has no offsets to carry.
"""

import numpy as np

from gesturebench.common.motion.skeleton import JOINT, JOINT_NAMES, N_JOINTS, PARENTS

HEIGHT = 1.70
PELVIS_BELOW_ORIGIN = 0.35
_PELVIS = 0.54 * HEIGHT
_HIP, _ANKLE = 0.530 * HEIGHT, 0.039 * HEIGHT
_SHOULDER_X, _SHOULDER_Y = 0.105 * HEIGHT, 0.825 * HEIGHT
_UPPER_ARM, _FOREARM, _HAND = 0.172 * HEIGHT, 0.152 * HEIGHT, 0.108 * HEIGHT
_SHANK = 0.246 * HEIGHT

_CENTRE: dict[str, tuple[float, float, float]] = {
    "pelvis": (0, _PELVIS, 0), "spine1": (0, 1.06, -0.01), "spine2": (0, 1.18, -0.015), "spine3": (0, 1.24, -0.01),
    "neck": (0, 1.455, -0.02),
    "head": (0, 1.54, 0.0), "jaw": (0, 1.535, 0.015),
}  # fmt: skip
_LEFT: dict[str, tuple[float, float, float]] = {
    "hip": (0.085, _HIP, 0), "knee": (0.085, _ANKLE + _SHANK, 0), "ankle": (0.085, _ANKLE, 0),
    "foot": (0.09, 0.022, 0.12),
    "collar": (0.05, _SHOULDER_Y - 0.01, -0.02), "shoulder": (_SHOULDER_X, _SHOULDER_Y, -0.02),
    "elbow": (_SHOULDER_X + _UPPER_ARM, _SHOULDER_Y, -0.02),
    "wrist": (_SHOULDER_X + _UPPER_ARM + _FOREARM, _SHOULDER_Y, -0.02), "eye": (0.032, 1.60, 0.085),
}  # fmt: skip
_FINGERS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "index": ((0.48, 0, 0.024), (0.66, 0, 0.027), (0.79, 0, 0.028)),
    "middle": ((0.50, 0, 0.003), (0.70, 0, 0.003), (0.84, 0, 0.003)),
    "ring": ((0.47, 0, -0.017), (0.66, 0, -0.020), (0.79, 0, -0.022)),
    "pinky": ((0.42, 0, -0.035), (0.55, 0, -0.040), (0.65, 0, -0.043)),
    "thumb": ((0.13, -0.008, 0.026), (0.30, -0.014, 0.050), (0.43, -0.018, 0.066)),
}
"""Joints from the wrist: along the hand in hand lengths, then up and forward in metres."""


def rest_joints() -> np.ndarray:
    """(55, 3) metres."""
    joints = np.zeros((N_JOINTS, 3))
    for name, place in _CENTRE.items():
        joints[JOINT[name]] = place
    for name, place in _LEFT.items():
        joints[JOINT[f"left_{name}"]], joints[JOINT[f"right_{name}"]] = place, _mirrored(np.asarray(place))
    for finger, chain in _FINGERS.items():
        for k, (along, up, forward) in enumerate(chain, start=1):
            place = np.asarray(_LEFT["wrist"]) + np.array((along * _HAND, up, forward))
            joints[JOINT[f"left_{finger}{k}"]], joints[JOINT[f"right_{finger}{k}"]] = place, _mirrored(place)
    return joints - (0, _PELVIS + PELVIS_BELOW_ORIGIN, 0)


def bone_tips(joints: np.ndarray) -> np.ndarray:
    """(55, 3): where the bone that starts at each joint ends: the main child, or a tip of its own for a leaf."""
    tips = np.zeros((N_JOINTS, 3))
    for j, name in enumerate(JOINT_NAMES):
        child = _main_child(j, name)
        tips[j] = joints[child] if child is not None else joints[j] + _leaf_bone(name, joints[j] - joints[PARENTS[j]])
    return tips


def _main_child(joint: int, name: str) -> int | None:
    if name in ("pelvis", "spine3"):
        return JOINT["spine1" if name == "pelvis" else "neck"]
    if name.endswith("wrist"):
        return JOINT[name.replace("wrist", "middle1")]
    if name == "head":
        return None
    return next((child for child, parent in enumerate(PARENTS) if parent == joint), None)


def _leaf_bone(name: str, incoming: np.ndarray) -> np.ndarray:
    fixed = {"head": (0, 0.2, 0.02), "jaw": (0, -0.045, 0.075), "left_eye": (0, 0, 0.012), "right_eye": (0, 0, 0.012)}
    if name in fixed:
        return np.asarray(fixed[name])
    if name.endswith("_foot"):
        return np.array([0, -0.008, 0.075])
    return 0.8 * incoming


def _mirrored(place: np.ndarray) -> np.ndarray:
    return place * (-1, 1, 1)
