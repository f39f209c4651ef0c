"""The poses that a speech is to go through: those that retrieval found, those that the user gives, or both.

Legend: T frames at 30 fps, K keyframes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from gesturebench.common.corpus.clip import BETA_DIM, EXPRESSION_DIM, POSE_DIM, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import HANDS, N_JOINTS, UPPER, pose_channels
from gesturebench.methods.base import Control
from gesturebench.methods.exges.config import FPS, KeyframesConfig
from gesturebench.methods.exges.retrieval.keyframes import Keyframe

CONTROLLED = {"body": (*range(1, 22), *HANDS), "upper": (*UPPER, *HANDS)}
"""The joints of a keyframe that are followed."""


def placed(keyframes: Iterable[Keyframe], frames: int, config: KeyframesConfig) -> Control:
    """Keyframes as what is given of a motion of `frames` frames, which rests elsewhere."""
    control, joints = nothing(frames), list(CONTROLLED[config.joints])
    for keyframe in keyframes:
        control.motion.poses[keyframe.frame, pose_channels(joints)] = keyframe.pose[pose_channels(joints)]
        control.mask[keyframe.frame, joints] = True
    return control


def nothing(frames: int) -> Control:
    """A rest pose at the origin of which nothing is given."""
    poses, expressions, trans = (np.zeros((frames, width), np.float32) for width in (POSE_DIM, EXPRESSION_DIM, 3))
    motion = Motion(poses, expressions, trans, np.zeros(BETA_DIM, np.float32), float(FPS))
    return Control(motion, np.zeros((frames, N_JOINTS), bool))


def both(user: Control, own: Control) -> Control:
    """What either gives; where both do, the user's. The root's path is the user's."""
    taken = np.where(user.mask.repeat(3, axis=1), user.motion.poses, own.motion.poses)
    return Control(replace(user.motion, poses=taken), user.mask | own.mask)


def covering(control: Control, frames: int) -> Control:
    """Cut to `frames`, or followed by frames of which nothing is given: the body stays where it was."""
    motion, missing = control.motion, max(0, frames - control.motion.n_frames)
    longer = {
        name: np.concatenate([values := getattr(motion, name), values[-1:].repeat(missing, 0)])[:frames]
        for name in ("poses", "expressions", "trans")
    }
    mask = np.concatenate([control.mask, np.zeros((missing, N_JOINTS), bool)])[:frames]
    return Control(replace(motion, **longer), mask)


def checked(control: Control) -> Control:
    """What a user gives, if it can be followed."""
    motion, mask = control.motion.checked("given motion"), control.mask
    if motion.fps != FPS:
        raise InputError(f"given motion of {motion.fps:g} frames per second", expected=f"{FPS}", remedy="resample it")
    if mask.shape != (motion.n_frames, N_JOINTS):
        raise InputError(f"a mask of shape {mask.shape}", expected=f"({motion.n_frames}, {N_JOINTS}), as the motion")
    return control


def clear_of(keyframes: Iterable[Keyframe], mask_TJ: np.ndarray, clearance: int) -> list[Keyframe]:
    """Those that lie `clearance` frames or more from any that the user gives."""
    taken = np.flatnonzero(mask_TJ.any(1))
    return [one for one in keyframes if not np.any(np.abs(taken - one.frame) < clearance)]


def capped(
    frames: Sequence[int], similarities: Sequence[float], starts: Sequence[int], length: int, cap: int
) -> list[int]:
    """Which keyframes are followed, rising: at most `cap` in any window of `length` frames, windows in order; the most
    similar ones stay. One that two windows share is in both or in neither.

    >>> capped([5, 20, 30], [0.1, 0.9, 0.5], starts=(0, 25), length=40, cap=2)
    [1, 2]
    """
    kept: list[int] = []
    decided: set[int] = set()
    for start in starts:
        inside = [k for k, frame in enumerate(frames) if start <= frame < start + length]
        free = cap - sum(k in kept for k in inside)
        kept += sorted((k for k in inside if k not in decided), key=lambda k: (-similarities[k], k))[:free]
        decided |= set(inside)
    return sorted(kept)
