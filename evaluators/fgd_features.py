"""From poses to the features of FGD: rotations in 6D through the encoder of `skeleton_encoder.py`.

Legend: B batch, T frames, C = 330 channels of 55 rotations in 6D, D = 240 features.
"""

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.evaluators.fgd import BLOCK, Span
from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder


def rot6d(poses: np.ndarray) -> Tensor:
    """Axis-angle (..., T, 165) -> (..., T, 330), channel = joint * 6 + component.

    Released code decodes these to matrices and encodes them once more. Rows of a rotation matrix are orthonormal
    already: the second pass changes the last digit (2e-7), and is left out.
    """
    return axis_angle_to_6d(torch.from_numpy(np.array(poses, dtype=np.float32)).unflatten(-1, (-1, 3))).flatten(-2)


@torch.no_grad()
def encoded(model: SkeletonAutoencoder, rot6d_TC: Tensor, span: Span = "whole_clip") -> np.ndarray:
    """(T, 330) -> (2 (T // 32), 240) float32."""
    whole_TC = rot6d_TC[: len(rot6d_TC) // BLOCK * BLOCK]
    if not len(whole_TC):
        return np.empty((0, model.LATENT), np.float32)
    shown_BTC = whole_TC[None] if span == "whole_clip" else whole_TC.unflatten(0, (-1, BLOCK))
    return model.encoder(shown_BTC).flatten(0, 1).numpy()


def clip_features(model: SkeletonAutoencoder, poses: np.ndarray, span: Span = "whole_clip") -> np.ndarray:
    """Axis-angle (T, 165) -> (2 (T // 32), 240) float32, one feature per 16 frames."""
    return encoded(model, rot6d(poses), span)
