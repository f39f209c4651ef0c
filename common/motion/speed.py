"""How fast joints move on average: the scale by which beat consistency tells a beat from rest."""

from collections.abc import Iterable

import numpy as np

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.kinematics import JointModel


def mean_joint_speed(joints: JointModel, motions: Iterable[Motion]) -> np.ndarray:
    """(55,) float32 m/s: mean over all frames of all motions of |dx/dt|, x with shape, expressions and translation.

    dx/dt is the central difference inside a motion, one-sided at its ends, as in BEAT2's `mean_vel_smplxflame_30.npy`.
    """
    total, frames = 0.0, 0
    for motion in motions:
        if motion.n_frames < 2:
            continue
        velocity = np.gradient(joints.positions(motion), 1 / motion.fps, axis=0)
        total = total + np.linalg.norm(velocity, axis=-1).sum(axis=0)
        frames += motion.n_frames
    return np.asarray(total / frames, dtype=np.float32)
