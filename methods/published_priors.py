"""Published motion priors, EMAGE's and MambaTalk's: their sizes, read off tensors, and the tensors of given sizes.

Our parameters bear the published names; what differs between releases is where the files lie.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.codecs.vq_config import PriorConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.errors import InputError
from gesturebench.common.motion.parts import PART_FEATURES

States = Mapping[str, Mapping[str, Tensor]]
"""Tensors by name, of the components `vq_<part>` and `global_motion`."""


def prior_sizes(states: States, where: str) -> dict[str, Any]:
    """Sections of `PriorConfig` that the tensors have, as published where one that tells is missing. The four codecs
    and global motion differ in nothing but how deep they are, and that in the lower body alone."""
    own = {name: _sizes(state) for name, state in states.items()}
    upper, lower = own["vq_upper"], own["vq_lower"]
    for name, sizes in own.items():
        expected = upper | {"layers": (lower if name in ("vq_lower", "global_motion") else upper)["layers"]}
        differing = [key for key in sizes if sizes[key] != expected[key]]
        if differing:
            key = differing[0]
            raise InputError(f"{where}: {key} of {name} is {sizes[key]}", expected=f"{expected[key]}, as the others")
    return {"codec": upper, "lower_layers": lower["layers"]}


def prior_skeletons(sizes: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """The tensors of `prior_sizes`, without memory."""
    config = PriorConfig.parse(dict(sizes), "priors")
    with torch.device("meta"):
        codecs = {f"vq_{part}": VQVAE(features, config.part_codec(part)) for part, features in PART_FEATURES.items()}
        global_motion = ConvAutoencoder(PART_FEATURES["lower"], config.global_motion)
    return {name: network.state_dict() for name, network in (*codecs.items(), ("global_motion", global_motion))}


def _sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    published = VQConfig()
    first, codebook = state.get("encoder.main.0.weight"), state.get("quantizer.embedding.weight")
    numbers = {int(name.split(".")[2]) for name in state if name.startswith("encoder.main.")}
    sizes = {
        "width": first.shape[0] if first is not None and first.ndim == 3 else published.width,
        "layers": 1 + max(numbers) // 3 if numbers else published.layers,
    }
    return sizes | ({"codes": codebook.shape[0]} if codebook is not None else {})
