"""Motion as this method reads and emits it: features at 15 frames per second, and back.

| features | content                                                |
|----------|--------------------------------------------------------|
| 0-329    | 55 joints x 6D rotation, in the skeleton's order       |
| 330, 331 | velocity of the root along x and z, m/s, in the world  |
| 332      | height of the root, m                                  |
| 333-336  | contact of ankles and feet, 0 or 1                     |
| 337-436  | expression coefficients, if they are asked for         |

Velocities are forward differences, so that their sum is the path again. Legend: T frames, F features.
"""

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import EXPRESSION_DIM, Motion
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.parts import foot_contact, motion_from_six
from gesturebench.common.motion.resample import decimate, upsample
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import FEET, N_JOINTS
from gesturebench.common.motion.translation import integrated_velocity

FPS, STORE_FPS = 15, 30
STEP = STORE_FPS // FPS
"""Frames of the clip store per frame here."""
SIX = slice(0, 6 * N_JOINTS)
VELOCITY = slice(SIX.stop, SIX.stop + 2)
HEIGHT = VELOCITY.stop
CONTACT = slice(HEIGHT + 1, HEIGHT + 1 + len(FEET))
BODY = CONTACT.stop
"""Features without expressions."""


def motion_width(expressions: bool) -> int:
    """
    >>> motion_width(False), motion_width(True)
    (337, 437)
    """
    return BODY + EXPRESSION_DIM * expressions


def frames_of(store_frames: int) -> int:
    """Frames at 15 fps of a clip or speech of so many at 30.

    >>> frames_of(15), frames_of(300)
    (8, 150)
    """
    return -(-store_frames // STEP)


def motion_features(motion: Motion, joints: JointModel, expressions: bool = False) -> np.ndarray:
    """(T, F) float32 of a motion at 30 (every second frame is read) or 15 fps."""
    slow = decimate(motion, FPS)
    poses = torch.from_numpy(np.array(slow.poses, np.float32)).unflatten(-1, (N_JOINTS, 3))
    trans = np.asarray(slow.trans, np.float64)
    columns = [
        axis_angle_to_6d(poses).flatten(1).numpy(),
        forward_velocity(trans[:, [0, 2]]),
        trans[:, 1:2],
        foot_contact(slow, joints),
    ]
    return np.concatenate(columns + [slow.expressions] * expressions, axis=1, dtype=np.float32, casting="same_kind")


def forward_velocity(path: np.ndarray) -> np.ndarray:
    """(T, 2) metres -> (T, 2) m/s to the next frame; the last one goes on as the one before."""
    if len(path) < 2:
        return np.zeros_like(path)
    steps = np.diff(path, axis=0) * FPS
    return np.concatenate([steps, steps[-1:]])


def motion_of(features: Tensor, betas: np.ndarray, start_xz: tuple[float, float] = (0.0, 0.0)) -> Motion:
    """(T, F) of either width -> motion at 15 fps that begins at `start_xz`; contacts are left out, any six numbers
    become a rotation, and a face without expressions rests.
    """
    features = features.float()
    path = integrated_velocity(features[:, VELOCITY].numpy(), np.asarray(start_xz), 1 / FPS)
    trans = torch.from_numpy(np.insert(path, 1, features[:, HEIGHT].numpy(), axis=1))
    face = features[:, BODY:] if features.shape[1] > BODY else features.new_zeros(len(features), EXPRESSION_DIM)
    return motion_from_six(features[:, SIX].unflatten(-1, (N_JOINTS, 6)), face, trans, betas, FPS)


def at_store_rate(motion: Motion, store_frames: int) -> Motion:
    """Exactly `store_frames` frames at 30 fps; those that were there at 15 come back untouched."""
    return upsample(motion, STORE_FPS, store_frames)
