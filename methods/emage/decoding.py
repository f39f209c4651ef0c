"""Predictions to motion: codes through the part codecs, translation through the network of global motion (EMAGE, Liu et
al. 2024, sec. 4.4).

Legend: B batch, T frames, F features of a part, M motion channels of the network (55 x 6D, translation 3, contact 4).
"""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.part_vqs import CONTACT, TRANSLATION, PartVQs, poses_of, to_motion
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion import rotations, rotations_legacy
from gesturebench.common.motion.skeleton import N_JOINTS, PART_NAMES
from gesturebench.methods.emage.config import GenerationConfig
from gesturebench.methods.emage.network import Prediction

ROTATIONS: dict[str, ModuleType] = {"stable": rotations, "legacy": rotations_legacy}


class MotionDecoder:
    """The trained priors, and how predictions go through them."""

    def __init__(self, config: GenerationConfig, vqs: PartVQs):
        self._config, self._vqs, self._rotations = config, vqs, ROTATIONS[config.rotations]

    def features(self, prediction: Prediction) -> dict[str, Tensor]:
        """(B, T, F) by part, all frames in one piece: near its ends a piece decodes differently from the same frames of
        a longer one."""
        return self._vqs.decode({part: self._codes(part, prediction) for part in PART_NAMES})

    def blended(self, prediction: Prediction) -> dict[str, Tensor]:
        """The same with codes that fade, where windows overlap, from those of the earlier one to those of the later."""
        return {part: self._vqs.decode_vectors({part: self._faded(part, prediction)})[part] for part in PART_NAMES}

    def channels(self, prediction: Prediction) -> Tensor:
        """(B, T, M): the decoded motion as the network reads it."""
        parts = self.features(prediction)
        lower = torch.cat((parts["lower"][..., TRANSLATION], parts["lower"][..., CONTACT]), -1)
        return channels_of(poses_of(parts, self._rotations), lower, self._rotations)

    def motion(self, prediction: Prediction, betas: np.ndarray, start_xz: tuple[float, float]) -> Motion:
        """Of one speech: x and z are integrated from `start_xz`, y is as predicted."""
        parts = self.blended(prediction) if self._config.seams == "blended" else self.features(prediction)
        moved = self._vqs.global_motion(parts["lower"], self._config.global_input, self._rotations)
        return to_motion({p: x[0] for p, x in parts.items()}, moved[0], betas, start_xz, self._rotations)

    def _faded(self, part: str, prediction: Prediction) -> Tensor:
        """(B, T, L) entries of the codebook, and mixtures of two."""
        vectors = self._vqs.vectors({part: self._codes(part, prediction)})[part]
        for start, earlier in prediction.earlier:
            before = self._vqs.vectors({part: self._codes(part, earlier)})[part]
            shared = vectors[:, start : start + before.shape[1]]
            weight = torch.linspace(0, 1, shared.shape[1] + 2)[1:-1, None]
            vectors[:, start : start + shared.shape[1]] = torch.lerp(before[:, : shared.shape[1]], shared, weight)
        return vectors

    def _codes(self, part: str, prediction: Prediction) -> Tensor:
        """(B, T)."""
        if getattr(self._config.routes, part) == "latent":
            return self._vqs.nearest({part: prediction.latents[part]})[part]
        return prediction.logits[part].argmax(-1)


def channels_of(poses: Tensor, trans_contact: Tensor, conversions: ModuleType = rotations) -> Tensor:
    """Axis-angle (..., 165), translation and contact (..., 7) -> (..., M)."""
    six = conversions.axis_angle_to_6d(poses.unflatten(-1, (N_JOINTS, 3)))
    return torch.cat((six.flatten(-2), trans_contact), -1)
