"""What every evaluator asks of a predicted motion and the clip it was made for."""

from dataclasses import replace
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


def checked_pair(prediction: Motion, clip: Clip) -> Motion:
    """The prediction, if it is finite, at 30 fps and as long as the clip; else an `InputError` naming the clip."""
    prediction.checked(f"prediction for {clip.id}")
    for name, motion in (("prediction for ", prediction), ("motion of ", clip.motion)):
        if motion.fps != FPS:
            raise InputError(
                f"{name}{clip.id}: {motion.fps} frames per second",
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


def joint_positions(model: JointModel, prediction: Motion, clip: Clip, root: Root = "kept") -> np.ndarray:
    """(T, 165) metres of the target clip's body in the predicted pose, translation and expressions left out."""
    poses = np.array(prediction.poses, dtype=np.float64)
    if root == "zeroed":
        poses[:, pose_channels((0, *JAW, *EYES))] = 0
    body = replace(prediction, poses=poses, betas=clip.motion.betas)
    return model.positions(body, trans=False, expressions=False).reshape(len(poses), -1)
