"""Predictions to motion: codes through the part codecs, translation through the network of global motion (EMAGE, Liu et
al. 2024, sec. 4.4).

Legend: B batch, T frames, F features of a part, M motion channels of the network (55 x 6D, translation 3, contact 4).
"""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.part_vqs import CONTACT, CONVERSIONS, TRANSLATION, PartVQs, poses_of, to_motion
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion import rotations
from gesturebench.common.motion.seams import joined_windows
from gesturebench.common.motion.skeleton import N_JOINTS, PART_NAMES
from gesturebench.methods.emage.config import GenerationConfig
from gesturebench.methods.emage.network import Prediction


@dataclass(frozen=True, eq=False)
class Predicted:
    """One speech: what the network says of its windows (batches of one), each of which begins with the last `overlap`
    frames of the one before; the first `frames` of all are kept."""

    windows: tuple[Prediction, ...]
    overlap: int
    frames: int


class MotionDecoder:
    """The trained priors, and how predictions go through them."""

    def __init__(self, config: GenerationConfig, vqs: PartVQs):
        self._config, self._vqs, self._rotations = config, vqs, CONVERSIONS[config.rotations]

    def features(self, prediction: Prediction) -> dict[str, Tensor]:
        """(B, T, F) by part."""
        return self._vqs.decode({part: self._codes(part, prediction) for part in PART_NAMES})

    def channels(self, prediction: Prediction) -> Tensor:
        """(B, T, M): the decoded motion as the network reads it."""
        parts = self.features(prediction)
        lower = torch.cat((parts["lower"][..., TRANSLATION], parts["lower"][..., CONTACT]), -1)
        return channels_of(poses_of(parts, self._rotations), lower, self._rotations)

    def motion(self, predicted: Predicted, betas: np.ndarray, start_xz: tuple[float, float]) -> Motion:
        """Decoded in one piece, so that decoders see across seams: near its ends a piece decodes differently from the
        same frames of a longer one. x and z are integrated from `start_xz`, y is as predicted."""
        parts = self._vqs.decode_vectors({part: self.vectors(part, predicted)[None] for part in PART_NAMES})
        moved = self._vqs.global_motion(parts["lower"], self._config.global_input, self._rotations)
        return to_motion({p: x[0] for p, x in parts.items()}, moved[0], betas, start_xz, self._rotations)

    def vectors(self, part: str, predicted: Predicted) -> Tensor:
        """(T, L) entries of a codebook, and where windows overlap mixtures of two."""
        windows = [self._vqs.vectors({part: self._codes(part, window)})[part][0] for window in predicted.windows]
        shared = "faded" if self._config.seams == "blended" else "second"
        return joined_windows(windows, predicted.overlap, shared)[: predicted.frames]

    def _codes(self, part: str, prediction: Prediction) -> Tensor:
        """(B, T)."""
        if getattr(self._config.routes, part) == "latent":
            return self._vqs.nearest({part: prediction.latents[part]})[part]
        return prediction.logits[part].argmax(-1)


def channels_of(poses: Tensor, trans_contact: Tensor, conversions: ModuleType = rotations) -> Tensor:
    """Axis-angle (..., 165), translation and contact (..., 7) -> (..., M)."""
    six = conversions.axis_angle_to_6d(poses.unflatten(-1, (N_JOINTS, 3)))
    return torch.cat((six.flatten(-2), trans_contact), -1)
