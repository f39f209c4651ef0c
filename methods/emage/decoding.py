"""Predictions to motion: codes through the part codecs, translation through the global-motion network (EMAGE, Liu et
al. 2024, sec. 4.4).

Legend: B batch, T frames, M motion channels of the network (55 x 6D, translation 3, contact 4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.motion import rotations, rotations_legacy
from gesturebench.common.motion.skeleton import N_JOINTS, PART_JOINTS, PART_NAMES
from gesturebench.common.motion.translation import from_velocity_channels
from gesturebench.methods.emage.config import FPS, EmageConfig
from gesturebench.methods.emage.network import Prediction

ROTATIONS: dict[str, ModuleType] = {"stable": rotations, "legacy": rotations_legacy}
LOWER_ROTATIONS = 6 * len(PART_JOINTS["lower"])
VELOCITY = slice(LOWER_ROTATIONS, LOWER_ROTATIONS + 3)
"""Channels (vx, y, vz) of the global-motion network."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Poses (B, T, 165) axis-angle and expressions (B, T, 100); `trans_contact` (B, T, 7) as the lower-body codec
    decodes them; `global_motion` (B, T, 61) where translation is a velocity in x and z."""

    poses: Tensor
    expressions: Tensor
    trans_contact: Tensor
    global_motion: Tensor

    def translation(self, start_xz: np.ndarray) -> np.ndarray:
        """(B, T, 3) metres: x and z integrated from `start_xz` (B, 2), y as predicted."""
        channels = self.global_motion[..., VELOCITY].numpy()
        return np.stack([from_velocity_channels(c, 1 / FPS, xz) for c, xz in zip(channels, start_xz, strict=True)])


class MotionDecoder:
    """The four part codecs and the global-motion network, all trained."""

    def __init__(self, config: EmageConfig, codecs: Mapping[str, VQVAE], global_motion: ConvAutoencoder):
        self._config, self._codecs, self._global_motion = config, codecs, global_motion
        self._rotations = ROTATIONS[config.rotations]

    @torch.no_grad()
    def decode(self, prediction: Prediction) -> Decoded:
        """All frames in one piece: near its ends a piece decodes differently from the same frames of a longer one."""
        parts = {part: self._features(part, prediction) for part in PART_NAMES}
        lower = parts["lower"]
        return Decoded(
            self._poses(parts), parts["face"][..., 6:], lower[..., LOWER_ROTATIONS:], self._global_motion(lower)
        )

    def channels(self, prediction: Prediction) -> Tensor:
        """(B, T, M): the decoded motion as the network reads it."""
        decoded = self.decode(prediction)
        return motion_channels(decoded.poses, decoded.trans_contact, self._rotations)

    def _features(self, part: str, prediction: Prediction) -> Tensor:
        if getattr(self._config.routes, part) == "latent":
            return self._codecs[part].decode_latent(prediction.latents[part])
        return self._codecs[part].decode_indices(prediction.logits[part].argmax(-1))

    def _poses(self, parts: Mapping[str, Tensor]) -> Tensor:
        """(B, T, 165), eyes at rest. Part by part: rounding of half turns depends on the memory layout."""
        poses = parts["lower"].new_zeros(*parts["lower"].shape[:2], N_JOINTS, 3)
        for part, joints in PART_JOINTS.items():
            six = parts[part][..., : 6 * len(joints)].unflatten(-1, (len(joints), 6))
            poses[..., list(joints), :] = self._rotations.axis_angle_from_6d(six)
        return poses.flatten(-2)


def motion_channels(poses: Tensor, trans_contact: Tensor, conversions: ModuleType = rotations) -> Tensor:
    """Axis-angle (..., 165), translation and contact (..., 7) -> (..., M)."""
    six = conversions.axis_angle_to_6d(poses.unflatten(-1, (N_JOINTS, 3)))
    return torch.cat((six.flatten(-2), trans_contact), -1)
