"""Our components and the published checkpoint of RAG-Gesture: one map of names, both ways, and the sizes of a state.

Our parameters bear the published names; what differs is where a component stands. `epoch_64.pth` holds all of them:

| component  | prefix in `state_dict`                             | in its own file       |
|------------|----------------------------------------------------|-----------------------|
| denoiser   | `model.`                                           | -                     |
| vae_upper  | `model.gesture_rep_encoder.upper_vae.`             | none                  |
| vae_hands  | `model.gesture_rep_encoder.hands_vae.`             | none                  |
| vae_face   | `model.gesture_rep_encoder.face_vae.`              | none                  |
| vae_lower  | `model.gesture_rep_encoder.lowertrans_vae.`        | none                  |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.errors import InputError, shown, unknown_name
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.weights.shapes import blocks_of, size_of
from gesturebench.methods.rag_gesture.config import DenoiserConfig
from gesturebench.methods.rag_gesture.denoiser import Denoiser
from gesturebench.methods.rag_gesture.layout import TokenLayout

T = TypeVar("T")

PUBLISHED_PARTS = {"upper": "upper", "hands": "hands", "face": "face", "lower": "lowertrans"}
"""Our name of a body part -> the published one."""
PREFIXES = {
    "denoiser": "model.",
    **{f"vae_{own}": f"model.gesture_rep_encoder.{name}_vae." for own, name in PUBLISHED_PARTS.items()},
}
"""Component -> what stands before its names in the published state."""
FRAMES, HEADS, LOWER_HEADS = 150, 4, 8
"""What no tensor tells and a folder may not say, as published."""
SLOTS, LATENT, ROWS = 10, 512, 768
"""Latents per part, their width, and that of text and audio rows: as published, where the tensor that tells it is
missing."""


def to_published(parts: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Components with values by our names -> values by published names."""
    return {f"{PREFIXES[part]}{name}": value for part, values in parts.items() for name, value in values.items()}


def from_published(state: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """The inverse: every name goes to the component with the longest prefix that it has; a name that has none is an
    `InputError`.
    """
    parts: dict[str, dict[str, T]] = {part: {} for part in PREFIXES}
    by_length = sorted(PREFIXES.items(), key=lambda item: -len(item[1]))
    for name, value in state.items():
        part, prefix = next((item for item in by_length if name.startswith(item[1])), (None, ""))
        if part is None:
            raise InputError(f"tensor {name}", expected=f"a name that begins with {PREFIXES['denoiser']}")
        parts[part][name.removeprefix(prefix)] = value
    return {part: values for part, values in parts.items() if values}


@dataclass(frozen=True)
class DenoiserSizes:
    """The denoiser of a state: its configuration, latents per part, and the widths of what goes in."""

    config: DenoiserConfig
    slots: int
    latent: int
    text: int
    audio: int

    def skeleton(self) -> dict[str, Tensor]:
        """Its tensors by our names, without memory."""
        with torch.device("meta"):
            layout = TokenLayout(self.slots)
            return Denoiser(self.config, layout, latent=self.latent, text=self.text, audio=self.audio).state_dict()


@cache
def vae_skeleton(config: PartVAEConfig, part: str) -> dict[str, Tensor]:
    """The tensors of a part VAE by our names, without memory."""
    with torch.device("meta"):
        return PartVAE(config, PART_FEATURES[part]).state_dict()


def denoiser_sizes(state: Mapping[str, Tensor], told: Mapping[str, Any], where: str) -> DenoiserSizes:
    """Read off shapes, where a tensor is missing as published; heads as `told`. Names are ours."""

    def size(name: str, axis: int, published: int) -> int:
        return size_of(state, name, axis, published)

    published = DenoiserConfig()
    values = {
        "width": size("joint_embed.weight", 0, published.width),
        "layers": blocks_of(state, "temporal_decoder_blocks") or published.layers,
        "heads": told.get("num_heads", published.heads),
        "time_width": size("time_embed.0.weight", 0, published.time_width),
        "feed_forward": size("temporal_decoder_blocks.0.ffn.linear1.weight", 0, published.feed_forward),
        "speakers": size("speaker_embedding.weight", 0, published.speakers),
        "query_mask": "released",
    }
    config = DenoiserConfig.parse(values, where)
    _require_whole_heads(config.width, config.heads, where)
    latent, slots = size("joint_embed.weight", 1, LATENT), size("sequence_embedding.pe", 0, SLOTS)
    text, audio = (size(f"{condition}_pre_proj.weight", 1, ROWS) for condition in ("text", "audio"))
    return DenoiserSizes(config, slots, latent, text, audio)


def vae_config(state: Mapping[str, Tensor], told: Mapping[str, Any], name: str, part: str, where: str) -> PartVAEConfig:
    """The sizes of a part VAE: what its YAML file says (`told`), else shapes, else its folder's `name`, else as
    published.

    The architecture is the tensors' to say: only `encoder_decoder` has cross-attention.
    """
    published = PartVAEConfig()
    crossed = any(".multihead_attn." in key for key in state)
    named = _numbers_in(name)
    values = {
        "width": told.get("latent_dim", size_of(state, "skel_embedding.weight", 0, published.width)),
        "layers": told.get("num_layers", named.get("l", _vae_layers(state, crossed))),
        "heads": told.get("num_heads", named.get("h", LOWER_HEADS if part == "lower" else HEADS)),
        "feed_forward": told.get("ff_size", size_of(state, "encoder.middle_block.linear1.weight", 0, 1024)),
        "dropout": told.get("dropout", published.dropout),
        "chunk": told.get("frame_chunk_size", named.get("fchunksize", published.chunk)),
        "architecture": "encoder_decoder" if crossed or not state else "all_encoder",
        "positions": _word(told, "position_embedding", {"sine": "sine", "learned": "learned"}, where),
        "spread": _word(told, "vae_dist", {"normal": "log_variance", "multivariate_normal": "softplus"}, where),
        "pre_norm": told.get("transformer_normalize_before", published.pre_norm),
    }
    _word(told, "transformer_activation", {"gelu": "gelu"}, where)
    config = PartVAEConfig.parse(values, where)
    _require_whole_heads(config.width, config.decoder_shape[1], where)
    return config


def _vae_layers(state: Mapping[str, Tensor], crossed: bool) -> int:
    """The depth that was asked for, by the blocks there are: of n blocks in each half of the decoder, (L - 1) 4 + 1 =
    2 n + 1 if it has cross-attention; without, even depths got one more and cannot be told from the next.
    """
    encoder, decoder = (blocks_of(state, f"{stack}.input_blocks") for stack in ("encoder", "decoder"))
    if not blocks_of(state, "encoder.middle_block"):
        return PartVAEConfig().layers
    return decoder // 2 + 1 if crossed else 2 * encoder + 1


def _require_whole_heads(width: int, heads: int, where: str) -> None:
    if heads < 1 or width % heads:
        raise InputError(f"{where}: {heads} heads for {width} channels", expected="heads of equal width")


def _word(told: Mapping[str, Any], key: str, known: Mapping[str, str], where: str) -> str:
    """Our word for a setting's; the first one we know where it is not told."""
    word = told.get(key, next(iter(known)))
    if word not in known:
        raise unknown_name(f"{key} of {where}", shown(word), known)
    return known[word]


def _numbers_in(name: str) -> dict[str, int]:
    """What a folder's name says about its VAE: `..._len10s_l8h4_fchunksize15` -> layers, heads, frames per chunk."""
    sizes = re.search(r"_l(\d+)h(\d+)(?:_|$)", name)
    chunk = re.search(r"_fchunksize(\d+)(?:_|$)", name)
    found = {"l": int(sizes[1]), "h": int(sizes[2])} if sizes else {}
    return found | ({"fchunksize": int(chunk[1])} if chunk else {})
