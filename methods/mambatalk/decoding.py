"""Predictions to motion, and to the frames that the next window starts with.

Legend: B batch, T frames, F features of a part, M motion channels.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.codecs.part_vqs import CONVERSIONS, TRANSLATION, PartVQs, poses_of, to_motion
from gesturebench.common.codecs.vq_vae import ConvAutoencoder
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.seams import joined_windows
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.common.nn.fast_convolution import hasten
from gesturebench.methods.codec_components import GLOBAL_MOTION
from gesturebench.methods.mambatalk.config import MambaTalkConfig
from gesturebench.methods.mambatalk.local_scan import BODY
from gesturebench.methods.mambatalk.network import Prediction
from gesturebench.methods.mambatalk.windows import FPS, shared_frames


def read_priors(config: MambaTalkConfig, artifacts: Mapping[str, Path]) -> PartVQs:
    """The trained priors; without VQ-VAEs the network of global motion alone."""
    if config.network.target == "codes":
        return PartVQs(config.priors, artifacts)
    walk = ConvAutoencoder(PART_FEATURES["lower"], config.priors.global_motion)
    load_weights(walk, artifacts[GLOBAL_MOTION])
    return PartVQs.of({}, walk)


class Decoder:
    """The priors, as MambaTalk reads them: the body by the codes of its largest scores, the face by the codes nearest
    to its predicted latents; without VQ-VAEs predictions are features."""

    def __init__(self, config: MambaTalkConfig, priors: PartVQs):
        """Convolutions of `priors` are laid out anew: they are not to be trained or saved afterwards."""
        self._config, self.priors = config, priors
        self._conversions = CONVERSIONS[config.generation.rotations]
        self._shared = shared_frames(config.network, config.generation)
        first = config.network.window - self._shared
        self._seed = slice(first, first + config.network.seed_frames)
        if config.generation.rotations == "stable":  # legacy ones make 3e-4 of the last digits near a half turn
            for network in (*priors.codecs.values(), priors.network):
                hasten(network)

    def chosen(self, prediction: Prediction) -> dict[str, Tensor]:
        """Codes (B, T) of the parts that were predicted; without VQ-VAEs their features (B, T, F)."""
        if self._config.network.target == "motion":
            return dict(prediction.latents)
        codes = {part: scores.argmax(-1) for part, scores in prediction.scores.items() if part != "face"}
        face = {part: latent for part, latent in prediction.latents.items() if part == "face"}
        return codes | self.priors.nearest(face)

    def features(self, chosen: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features (B, T, F), all frames in one piece."""
        return dict(chosen) if self._config.network.target == "motion" else self.priors.decode(chosen)

    def seed(self, chosen: Mapping[str, Tensor], start_xz_B2: Tensor) -> Tensor:
        """(B, n, M): the frames of a window with which the next one begins, as that is given them.

        As published: jaw and eyes at rest; x and z walk, over this window alone, from where the whole motion starts, at
        velocities that the codec of the lower body was never taught.
        """
        first, stop = self._seed.start, self._seed.stop
        pieces = {part: self._around(part) for part in BODY}
        parts = self.features({part: chosen[part][:, piece] for part, piece in pieces.items()})
        trans = walked(parts["lower"][..., TRANSLATION], start_xz_B2)[:, first:stop]
        seeds = {part: x[:, first - pieces[part].start : stop - pieces[part].start] for part, x in parts.items()}
        six = self._conversions.axis_angle_to_6d(self._poses(seeds)).flatten(-2)
        return torch.cat((six, trans, seeds["lower"][..., TRANSLATION.stop :]), -1)

    def _around(self, part: str) -> slice:
        """The frames that a seed is decoded from; x and z need a window from its start."""
        reach = self.priors.codecs[part].decoder.reach if self._config.network.target == "codes" else 0
        return slice(0 if part == "lower" else max(0, self._seed.start - reach), self._seed.stop + reach)

    def _poses(self, parts: Mapping[str, Tensor]) -> Tensor:
        return poses_of(parts, self._conversions, BODY).unflatten(-1, (N_JOINTS, 3))

    def motion(
        self, chosen: Mapping[str, Tensor], frames: int, betas: np.ndarray | None, start_xz: tuple[float, float]
    ) -> Motion:
        """The first frames of one speech, of codes (W, T) or features (W, T, F) of all its windows, in one piece."""
        has_codes = self._config.network.target == "codes"
        windows = self.priors.vectors(chosen) if has_codes else chosen
        shared = "faded" if self._config.generation.seams == "blended" else "first"
        parts = {part: joined_windows(x, self._shared, shared)[None, :frames] for part, x in windows.items()}
        parts = self.priors.decode_vectors(parts) if has_codes else parts
        walk = self.priors.global_motion(parts["lower"], "proper", self._conversions)
        return to_motion({part: x[0] for part, x in parts.items()}, walk[0], betas, start_xz, self._conversions)


def walked(channels_BT3: Tensor, start_xz_B2: Tensor) -> Tensor:
    """(vx, y, vz) -> (x, y, z): p[0] = start, p[t] = p[t-1] + v[t-1] / 30, summed in float64."""
    velocity = channels_BT3[..., [0, 2]].double()
    steps = torch.cat((start_xz_B2[:, None].to(velocity), velocity[:, :-1] / FPS), 1).cumsum(1).to(channels_BT3)
    return torch.stack((steps[..., 0], channels_BT3[..., 1], steps[..., 1]), -1)
