"""Motion as the denoiser reads and emits it: 333 features of a frame, 30 frames per second, and back.

| features | content                                                |
|----------|--------------------------------------------------------|
| 0-329    | 55 joints x 6D rotation, in the skeleton's order       |
| 330, 331 | velocity of the root along x and z, m/s, in the world  |
| 332      | height of the root, m                                  |

With differences, as DiffuseStyleGesture+ has them, there are three times as many: the standardised features, by what
they changed since the frame before, and by what that changed. Legend: T frames, F features.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import EXPRESSION_DIM, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.parts import motion_from_six
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import JOINT, N_JOINTS
from gesturebench.common.motion.translation import integrated_velocity

FPS = 30
SIX = slice(0, 6 * N_JOINTS)
VELOCITY = slice(SIX.stop, SIX.stop + 2)
HEIGHT = VELOCITY.stop
WIDTH = HEIGHT + 1

Differences = Literal["none", "two"]
"""Whether motion is denoised alone, or with its first and second differences beside it."""


def pose_width(differences: Differences = "none") -> int:
    """
    >>> pose_width(), pose_width("two")
    (333, 999)
    """
    return WIDTH * (3 if differences == "two" else 1)


def pose_features(motion: Motion) -> np.ndarray:
    """(T, 333) float32. Velocities are forward differences, so that their sum is the path again; the last one goes on
    as the one before."""
    if motion.fps != FPS:
        raise InputError(f"motion of {motion.fps:g} frames per second", expected=f"{FPS}", remedy="resample it")
    poses = torch.from_numpy(np.array(motion.poses, np.float32)).unflatten(-1, (N_JOINTS, 3))
    path = np.asarray(motion.trans, np.float64)[:, [0, 2]]
    steps = np.diff(path, axis=0) * FPS if len(path) > 1 else np.zeros_like(path)
    velocity = np.concatenate([steps, steps[-1:]])[: len(path)]
    columns = [axis_angle_to_6d(poses).flatten(1).numpy(), velocity, motion.trans[:, 1:2]]
    return np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")


def motion_of(features_TF: Tensor, betas: np.ndarray, start_xz: tuple[float, float] = (0.0, 0.0)) -> Motion:
    """(T, 333) -> motion that begins at `start_xz`; any six numbers become a rotation, the face rests."""
    features = features_TF.float()
    path = integrated_velocity(features[:, VELOCITY].numpy(), np.asarray(start_xz), 1 / FPS)
    trans = torch.from_numpy(np.insert(path, 1, features[:, HEIGHT].numpy(), axis=1))
    face = features.new_zeros(len(features), EXPRESSION_DIM)
    return motion_from_six(features[:, SIX].unflatten(-1, (N_JOINTS, 6)), face, trans, betas, FPS)


def with_differences(rows_TF: Tensor) -> Tensor:
    """(..., T, F) standardised -> (..., T, 3 F); what the first frame changed by is zero.

    >>> with_differences(torch.tensor([[1.0], [3.0], [4.0]])).tolist()
    [[1.0, 0.0, 0.0], [3.0, 2.0, 2.0], [4.0, 1.0, -1.0]]
    """
    first = _changes(rows_TF)
    return torch.cat((rows_TF, first, _changes(first)), -1)


def _changes(rows_TF: Tensor) -> Tensor:
    return torch.cat((torch.zeros_like(rows_TF[..., :1, :]), rows_TF.diff(dim=-2)), -2)


def given_features(mask_TJ: np.ndarray) -> np.ndarray:
    """(T, 55) bool, which joints are given -> (T, 333) bool: of a joint its rotation, of the pelvis also the height,
    and where it is given in the next frame too the velocity."""
    pelvis = mask_TJ[:, JOINT["pelvis"]]
    follows = np.append(pelvis[1:], False)
    columns = [np.repeat(mask_TJ, 6, axis=1), *[(pelvis & follows)[:, None]] * 2, pelvis[:, None]]
    return np.concatenate(columns, axis=1)
