"""How fast joints move on average: the scale by which beat consistency tells a beat from rest."""

from collections.abc import Iterable

import numpy as np

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import N_JOINTS


def mean_joint_speed(joints: JointModel, motions: Iterable[Motion]) -> np.ndarray:
    """(55,) float32 m/s: mean over all frames of all motions of |dx/dt|, x with shape, expressions and translation.

    dx/dt is the central difference inside a motion, one-sided at its ends, as in BEAT2's `mean_vel_smplxflame_30.npy`.
    """
    total, frames = 0.0, 0
    for motion in motions:
        total = total + joint_speed_sum(joints, motion)
        frames += motion.n_frames
    return np.asarray(total / frames, dtype=np.float32)


def joint_speed_sum(joints: JointModel, motion: Motion) -> np.ndarray:
    """(55,) float64: the sum over frames of |dx/dt|; a single frame stands still."""
    if motion.n_frames < 2:
        return np.zeros(N_JOINTS)
    velocity = np.gradient(joints.positions(motion), 1 / motion.fps, axis=0)
    return np.linalg.norm(velocity, axis=-1).sum(axis=0)
