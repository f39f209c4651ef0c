"""CLIP inside a published checkpoint: which tensors it has, and its text tower as `transformers` builds it.

OpenAI keeps query, key and value of a layer in one matrix and projections transposed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gesturebench.common.weights.artifact import read_part
from gesturebench.methods.remodiffuse.published import blocks

if TYPE_CHECKING:
    from transformers import CLIPTextModelWithProjection

HEAD = 64
"""Channels of a head, in every CLIP."""
TOP = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
}
LAYER = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
"""OpenAI's name in the text tower, or in a layer of it -> that of `transformers`."""
PROJECTED = ("q", "k", "v")


def skeleton(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors of a CLIP with a vision transformer, by OpenAI's names, without memory; sizes are read off `state`,
    where a tensor is missing those of ViT-B/32."""

    def size(name: str, axis: int, published: int) -> int:
        tensor = state.get(name)
        return tensor.shape[axis] if tensor is not None and tensor.ndim > axis else published

    width, joint = size("ln_final.weight", 0, 512), size("text_projection", 1, 512)
    seen, patch = size("visual.ln_post.weight", 0, 768), size("visual.conv1.weight", 3, 32)
    shapes: dict[str, tuple[int, ...]] = {
        "positional_embedding": (size("positional_embedding", 0, 77), width),
        "text_projection": (width, joint),
        "logit_scale": (),
        "token_embedding.weight": (size("token_embedding.weight", 0, 49408), width),
        "visual.class_embedding": (seen,),
        "visual.positional_embedding": (size("visual.positional_embedding", 0, 50), seen),
        "visual.proj": (seen, joint),
        "visual.conv1.weight": (seen, 3, patch, patch),
    }
    norms = {"ln_final": width, "visual.ln_pre": seen, "visual.ln_post": seen}
    shapes |= {f"{norm}.{kind}": (channels,) for norm, channels in norms.items() for kind in ("weight", "bias")}
    for tower, channels in (("transformer", width), ("visual.transformer", seen)):
        for layer in range(blocks(state, f"{tower}.resblocks") or 12):
            shapes |= _layer(f"{tower}.resblocks.{layer}", channels)
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def _layer(name: str, width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.attn.in_proj_weight": (3 * width, width),
        f"{name}.attn.in_proj_bias": (3 * width,),
    }
    for linear, (n, k) in {"attn.out_proj": (1, 1), "mlp.c_fc": (4, 1), "mlp.c_proj": (1, 4)}.items():
        shapes |= {f"{name}.{linear}.weight": (n * width, k * width), f"{name}.{linear}.bias": (n * width,)}
    return shapes | {f"{name}.{norm}.{kind}": (width,) for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")}


def text_tensors(clip: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The text tower of a CLIP by OpenAI's names -> by those of `transformers`."""
    found = {TOP[name]: clip[name] for name in TOP} | {"text_projection.weight": clip["text_projection"].t()}
    for layer in range(blocks(clip, "transformer.resblocks")):
        theirs, ours = f"transformer.resblocks.{layer}", f"text_model.encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            joined = clip[f"{theirs}.attn.in_proj_{kind}"].chunk(3)
            found |= {f"{ours}.self_attn.{p}_proj.{kind}": part for p, part in zip(PROJECTED, joined, strict=True)}
            found |= {f"{ours}.{own}.{kind}": clip[f"{theirs}.{name}.{kind}"] for name, own in LAYER.items()}
    return found


def text_tower(folder: Path) -> "CLIPTextModelWithProjection":
    """The text tower of imported weights that hold a CLIP: what the encoder of prompts was in training. Written with
    `save_pretrained` beside a tokeniser it is a model for the sentence encoder `clip`."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    clip = read_part(folder, "clip")
    (vocabulary, width), (length, _) = clip["token_embedding.weight"].shape, clip["positional_embedding"].shape
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=clip["text_projection"].shape[1],
        num_hidden_layers=blocks(clip, "transformer.resblocks"),
        num_attention_heads=max(width // HEAD, 1),
        max_position_embeddings=length,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
    )
    tower = CLIPTextModelWithProjection(config)
    tower.load_state_dict(text_tensors(clip), strict=True)
    return tower.eval().requires_grad_(False)
