"""The motion priors in use: part features <-> codes, global motion, and decoded features as a motion.

Legend: B batch, T frames, F features of a part, D latent width. One code per part and frame, 30 frames a second.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.codecs.prior_windows import CONTACT, EXPRESSIONS, FPS, ROTATIONS, TRANSLATION
from gesturebench.common.codecs.vq_config import PriorConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.device import device
from gesturebench.common.fingerprint import tensors_fingerprint
from gesturebench.common.motion import rotations, rotations_legacy
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.skeleton import N_JOINTS, PART_JOINTS
from gesturebench.common.motion.translation import from_velocity_channels

CONVERSIONS: Mapping[str, ModuleType] = {"stable": rotations, "legacy": rotations_legacy}
"""Between rotations as they are written: our own, and by way of quaternions, as released code has them."""
GlobalInput = Literal["proper", "raw"]
"""What the network of global motion is given: `proper`: rotations made orthonormal, no translation, the contacts as
decoded (EMAGE with text, MambaTalk); `raw`: the lower body as it was decoded (EMAGE from audio alone)."""


class PartVQs:
    """Four part codecs and the network of global motion, all trained.

    They live on `device()`; what comes out is where the input was. Features, indices and latents are given and returned
    by part (`upper`, `hands`, `face`, `lower`); only the parts that are given are computed.
    """

    def __init__(self, config: PriorConfig, folders: Mapping[str, Path]):
        """`folders` holds the artifacts of the components `vq_<part>` and `global_motion`, and may hold others."""
        codecs = {part: VQVAE(features, config.part_codec(part)) for part, features in PART_FEATURES.items()}
        network = ConvAutoencoder(PART_FEATURES["lower"], config.global_motion)
        for part, codec in codecs.items():
            load_weights(codec, folders[f"vq_{part}"])
        load_weights(network, folders["global_motion"])
        self._take(codecs, network)

    @classmethod
    def of(cls, codecs: Mapping[str, VQVAE], global_motion: ConvAutoencoder) -> Self:
        """From networks that are there already."""
        made = cls.__new__(cls)
        made._take(codecs, global_motion)
        return made

    def _take(self, codecs: Mapping[str, VQVAE], global_motion: ConvAutoencoder) -> None:
        self.codecs = {part: _resting(codec) for part, codec in codecs.items()}
        self.network = _resting(global_motion)

    def fingerprint(self) -> str:
        """Identity of all weights."""
        networks = {**self.codecs, "global_motion": self.network}
        return tensors_fingerprint({f"{n} {k}": v for n, net in networks.items() for k, v in net.state_dict().items()})

    @torch.no_grad()
    def indices(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, T, F) -> (B, T) int64."""
        return {part: self.codecs[part].indices(x.to(device())).to(x.device) for part, x in features.items()}

    @torch.no_grad()
    def latents(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, T, F) -> (B, T, D): the codes of the motion as vectors."""
        return self.vectors(self.indices(features))

    @torch.no_grad()
    def vectors(self, indices: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, T) -> (B, T, D): entries of the codebooks."""
        return {p: self.codecs[p].quantizer.codes(i.to(device())).to(i.device) for p, i in indices.items()}

    @torch.no_grad()
    def nearest(self, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, T, D) -> (B, T): the nearest codes of predicted latents."""
        return {p: self.codecs[p].quantizer.indices(z.to(device())).to(z.device) for p, z in latents.items()}

    @torch.no_grad()
    def decode(self, indices: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, T) -> (B, T, F), all frames in one piece: near its ends a piece decodes differently from the same frames
        of a longer one."""
        return {part: self.codecs[part].decode_indices(i.to(device())).to(i.device) for part, i in indices.items()}

    @torch.no_grad()
    def decode_vectors(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, T, D) -> (B, T, F) from entries of the codebooks or mixtures of them, as they are."""
        return {part: self.codecs[part].decoder(z.to(device())).to(z.device) for part, z in vectors.items()}

    @torch.no_grad()
    def global_motion(
        self, lower_BTF: Tensor, given: GlobalInput = "proper", conversions: ModuleType = rotations
    ) -> Tensor:
        """Decoded lower body (B, T, 61) -> (B, T, 61): (vx, y, vz) in the channels `TRANSLATION`, contacts in
        `CONTACT`; the others mean nothing."""
        x = lower_BTF if given == "raw" else proper_lower(lower_BTF, conversions)
        return self.network(x.to(device())).to(lower_BTF.device)


def _resting(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False).to(device())


def proper_lower(lower: Tensor, conversions: ModuleType = rotations) -> Tensor:
    """(..., 61): rotations by way of axis-angle, so that they are orthonormal; no translation; contacts as they are."""
    six = lower[..., ROTATIONS].unflatten(-1, (-1, 6))
    proper = conversions.axis_angle_to_6d(conversions.axis_angle_from_6d(six)).flatten(-2)
    return torch.cat((proper, torch.zeros_like(lower[..., TRANSLATION]), lower[..., CONTACT]), -1)


def poses_of(
    parts: Mapping[str, Tensor], conversions: ModuleType = rotations, taken: Sequence[str] = tuple(PART_JOINTS)
) -> Tensor:
    """Decoded features (..., T, F) -> axis-angle (..., T, 165). Joints of no part, or of one that is not `taken`, rest.

    Converted part by part: rounding of half turns depends on the memory layout.
    """
    lead = next(iter(parts.values()))
    poses = lead.new_zeros(*lead.shape[:-1], N_JOINTS, 3)
    for part in taken:
        joints = PART_JOINTS[part]
        six = parts[part][..., : 6 * len(joints)].unflatten(-1, (len(joints), 6))
        poses[..., list(joints), :] = conversions.axis_angle_from_6d(six)
    return poses.flatten(-2)


def to_motion(
    parts: Mapping[str, Tensor],
    global_motion: Tensor,
    betas: np.ndarray | None = None,
    start_xz: tuple[float, float] = (0.0, 0.0),
    conversions: ModuleType = rotations,
) -> Motion:
    """Decoded features (T, F) of all four parts and what `PartVQs.global_motion` made of them (T, 61) -> Motion.

    x and z are integrated from `start_xz` with a velocity's last value unused, y is taken as predicted.
    """
    parts = {part: features.cpu() for part, features in parts.items()}
    channels = global_motion[..., TRANSLATION].cpu().numpy()
    return Motion(
        poses_of(parts, conversions).float().numpy(),
        parts["face"][..., EXPRESSIONS].float().numpy(),
        from_velocity_channels(channels, 1 / FPS, start_xz),
        np.zeros(300, np.float32) if betas is None else np.asarray(betas, np.float32),
        float(FPS),
    )
