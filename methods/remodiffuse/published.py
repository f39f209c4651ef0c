"""Our denoiser and the published text-to-motion checkpoints of ReMoDiffuse: one map of names, both ways, and the sizes
of a state.

Our parameters bear the published names; what differs is where a component stands in `state_dict`:

| component | prefix        |                                                                             |
|-----------|---------------|-----------------------------------------------------------------------------|
| denoiser  | `model.`      | encoders of retrieved samples included, at `model.database.`                |
| clip      | `model.clip.` | both towers under OpenAI's names, frozen in training; may be missing        |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.weights.artifact import read_part
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.remodiffuse.denoiser import Denoiser
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig, RetrievalEncoderConfig

T = TypeVar("T")

PREFIXES = {"clip": "model.clip.", "denoiser": "model."}
"""Component -> what stands before its names in the published state; the longer one first."""
FEATURES, FRAMES, TEXT = 263, 196, 512
"""Numbers per frame, frames and width of text tokens: as published for HumanML3D, where the tensor that tells it is
missing."""
METHOD = "remodiffuse"


def to_published(parts: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Components with values by our names -> values by published names."""
    return {f"{PREFIXES[part]}{name}": value for part, values in parts.items() for name, value in values.items()}


def from_published(state: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """The inverse; a name without the prefix of a component is an `InputError`."""
    parts: dict[str, dict[str, T]] = {}
    for name, value in state.items():
        part = next((part for part, prefix in PREFIXES.items() if name.startswith(prefix)), None)
        if part is None:
            raise InputError(f"tensor {name}", expected=f"a name that begins with {PREFIXES['denoiser']}")
        parts.setdefault(part, {})[name.removeprefix(PREFIXES[part])] = value
    return parts


@dataclass(frozen=True)
class DenoiserSizes:
    """The denoiser of a state: its configuration, numbers per frame, frames, and the width of text tokens."""

    config: DenoiserConfig
    features: int
    frames: int
    text: int

    def network(self) -> Denoiser:
        """Caption tokens of retrieved samples go in as they are, as wide as the network."""
        sizes = {"features": self.features, "frames": self.frames, "text": self.text, "captions": self.config.width}
        return Denoiser(self.config, **sizes)

    def skeleton(self) -> dict[str, Tensor]:
        """Its tensors by our names, without memory."""
        with torch.device("meta"):
            return self.network().state_dict()


def denoiser_sizes(state: Mapping[str, Tensor], told: Mapping[str, Any], where: str) -> DenoiserSizes:
    """Read off shapes, where a tensor is missing as published; heads and stride, which no tensor tells, as `told` by
    the settings beside the checkpoint. Names are ours."""

    def size(name: str, axis: int, published: int) -> int:
        tensor = state.get(name)
        return tensor.shape[axis] if tensor is not None and tensor.ndim > axis else published

    own = DenoiserConfig()
    block, stack = "temporal_decoder_blocks.0", "textTransEncoder.layers"
    values = {
        "width": size("joint_embed.weight", 0, own.width),
        "heads": _section(told, "ca_block_cfg").get("num_heads", own.heads),
        "layers": blocks(state, "temporal_decoder_blocks") or own.layers,
        "time_width": size("time_embed.0.weight", 0, own.time_width),
        "feed_forward": size(f"{block}.ffn.linear1.weight", 0, own.feed_forward),
        "prompt_width": size("text_ln.weight", 0, own.prompt_width),
        "prompt_layers": blocks(state, stack) or own.prompt_layers,
        "prompt_heads": _section(told, "text_encoder").get("num_heads", own.prompt_heads),
        "prompt_feed_forward": size(f"{stack}.0.linear1.weight", 0, own.prompt_feed_forward),
        "retrieval": _encoders(state, _section(told, "retrieval_cfg"), own.retrieval, size),
    }
    config = DenoiserConfig.parse(values, where)
    _require_whole_heads(config, where)
    features, frames = size("joint_embed.weight", 1, FEATURES), size("sequence_embedding", 0, FRAMES)
    return DenoiserSizes(config, features, frames, size("text_pre_proj.weight", 1, TEXT))


def _encoders(state: Mapping[str, Tensor], told: Mapping[str, Any], own: RetrievalEncoderConfig, size: Any) -> dict:
    return {
        "stride": told.get("stride", own.stride),
        "motion_layers": blocks(state, "database.motion_encoder_blocks") or own.motion_layers,
        "caption_layers": blocks(state, "database.text_encoder.layers") or own.caption_layers,
        "motion_heads": _section(told, "sa_block_cfg").get("num_heads", own.motion_heads),
        "caption_heads": told.get("num_heads", own.caption_heads),
        "feed_forward": size("database.motion_encoder_blocks.0.ffn.linear1.weight", 0, own.feed_forward),
    }


def _section(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name, {})
    return found if isinstance(found, Mapping) else {}


def _require_whole_heads(config: DenoiserConfig, where: str) -> None:
    retrieval = config.retrieval
    of_network = (config.heads, retrieval.motion_heads, retrieval.caption_heads)
    pairs = [*((config.width, heads) for heads in of_network), (config.prompt_width, config.prompt_heads)]
    for width, heads in pairs:
        if width % heads:
            raise InputError(f"{where}: {heads} heads for {width} channels", expected="heads of equal width")


def blocks(state: Mapping[str, Tensor], stack: str) -> int:
    """How many numbered blocks a stack has."""
    return len({name.removeprefix(f"{stack}.").split(".")[0] for name in state if name.startswith(f"{stack}.")})


def load(folder: Path) -> Denoiser:
    """The network of imported weights, ready to predict."""
    passport = Passport.read(folder)
    if passport.method != METHOD:
        raise InputError(f"{folder}: weights of {passport.method}", expected=f"weights of {METHOD}")
    config, widths = DenoiserConfig.parse(passport.sizes["denoiser"], str(folder)), passport.widths
    network = DenoiserSizes(config, widths["features"], passport.sizes["motion"]["frames"], widths["text"]).network()
    network.load_state_dict(read_part(folder, "denoiser"))
    return network.eval().requires_grad_(False)
