"""What every evaluator asks of a predicted motion and the clip it was made for."""

from dataclasses import replace
from functools import lru_cache
from typing import Literal

import numpy as np

from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import EYES, JAW, pose_channels

FPS = 30
"""The frame rate every metric is defined at."""

Root = Literal["kept", "zeroed"]
"""`kept`: joint positions turn with the body (published BEAT2 tables). `zeroed`: the body always faces the same way;
jaw and eyes are zero as well (the newer evaluation tools). Numbers of the two are not comparable."""

Shape = Literal["clip", "zero"]
"""Whose body takes the poses. `clip`: the target clip's own `betas`. `zero`: the mean body for everybody, so that
distances between clips of different speakers are distances of poses."""


def checked_pair(prediction: Motion, clip: Clip) -> Motion:
    """The prediction, if both motions are finite, at 30 fps and of one length; else an `InputError` naming the clip."""
    for name, motion in (("prediction for", prediction), ("motion of", clip.motion)):
        motion.checked(f"{name} {clip.id}")
        if motion.fps != FPS:
            raise InputError(
                f"{name} {clip.id}: {motion.fps} frames per second",
                expected=str(FPS),
                remedy="resample the motion to 30 fps",
            )
    if prediction.n_frames != clip.motion.n_frames:
        raise InputError(
            f"prediction for {clip.id}: {prediction.n_frames} frames",
            expected=f"{clip.motion.n_frames}, the length of the clip",
            remedy="generate for the whole clip, or cut both to the same length",
        )
    return prediction


def joint_positions(
    model: JointModel, prediction: Motion, clip: Clip, root: Root = "kept", shape: Shape = "clip"
) -> np.ndarray:
    """(T, 165) metres of the target clip's body in the predicted pose, translation and expressions left out.

    Read-only: several metrics ask for the same pair and share one array.
    """
    return _posed(model, prediction, clip.motion if shape == "clip" else None, root)


def target_positions(model: JointModel, clip: Clip, root: Root = "kept", shape: Shape = "clip") -> np.ndarray:
    """(T, 165) metres of the captured motion, as `joint_positions` gives those of a prediction."""
    return joint_positions(model, clip.motion, clip, root, shape)


@lru_cache(maxsize=4)  # a pair in two conventions; motions are told apart by identity and never written to
def _posed(model: JointModel, motion: Motion, body: Motion | None, root: Root) -> np.ndarray:
    poses = np.array(motion.poses, dtype=np.float64)
    if root == "zeroed":
        poses[:, pose_channels((0, *JAW, *EYES))] = 0
    betas = np.zeros_like(motion.betas) if body is None else body.betas
    joints = model.positions(replace(motion, poses=poses, betas=betas), trans=False, expressions=False)
    joints.setflags(write=False)
    return joints.reshape(len(poses), -1)


def body_positions(model: JointModel, motion: Motion, clip: Clip) -> np.ndarray:
    """(T, 55, 3) metres of the target clip's body where it is in the room: with translation and expressions."""
    return model.positions(replace(motion, betas=clip.motion.betas))


def nothing_scored(metric: str, expected: str = "at least one pair") -> InputError:
    """The error of `compute` when no clip was taken in."""
    return InputError(f"{metric} of no clips", expected=expected, remedy="generate motions for the split first")
