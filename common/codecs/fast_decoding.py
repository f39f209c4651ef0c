"""Decoding latents with a part VAE whose weights are fixed; the same function as `PartVAE.decode`.

What it saves (exact but for rounding): the first layer's self-attention sees zero queries with positions, so it is a
constant of the weights; queries and outputs of the cross-attentions are folded with the few keys and values of a
window; joint products for queries, keys and values; weights laid out once (`common/nn/packed.py`).

Legend: B batch, T frames, K latents, D width, H heads, d = D / H.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.nn.packed import lay_out
from gesturebench.common.nn.skip_transformer import DecoderLayer
from gesturebench.common.threads import spread


class FastDecoder:
    """`decoder(z_BKD)` is `vae.decode(z_BKD)`; changes the layout, not the values, of the VAE's weights.

    Latents of VAEs without cross-attention (`all_encoder`) are decoded by the VAE itself.
    """

    def __init__(self, vae: PartVAE):
        lay_out(vae)
        self._vae, self._started = vae, {}
        self._first: nn.Module = [*vae.decoder.input_blocks, vae.decoder.middle_block][0]

    @torch.no_grad()
    def __call__(self, z_BKD: Tensor) -> Tensor:
        vae = self._vae
        if vae.config.architecture == "all_encoder":
            return vae.decode(z_BKD)
        memory, hidden = vae.mem_pos_decoder(z_BKD), vae.hidden(z_BKD.shape[1], z_BKD.device)
        start = self._start(z_BKD.shape[1] * vae.config.chunk, z_BKD).expand(len(z_BKD), -1, -1)

        def through(layer: DecoderLayer, x_BTD: Tensor) -> Tensor:
            if layer is not self._first:
                x_BTD = layer.residual(x_BTD, layer.norm1, lambda n: self_attention(layer.self_attn, n))
            x_BTD = layer.residual(x_BTD, layer.norm2, lambda n: look_up(layer.multihead_attn, n, memory, hidden))
            return layer.residual(x_BTD, layer.norm3, layer.feed_forward)

        return vae.final_layer(vae.decoder.walk(start, through))

    def _start(self, frames: int, like: Tensor) -> Tensor:
        """(1, T, D): the frames behind the first self-attention, kept per number of frames."""
        if frames not in self._started:
            queries = self._vae.query_pos_decoder(like.new_zeros(1, frames, like.shape[2]))
            layer = self._first
            self._started[frames] = layer.residual(queries, layer.norm1, lambda n: self_attention(layer.self_attn, n))
        return self._started[frames]


def decoded(decoders: Mapping[str, FastDecoder], latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """(B, K, D) per part -> (B, T, F) per part; on a CPU with several threads the parts are decoded side by side."""
    tasks = [partial(decode, latents[part]) for part, decode in decoders.items()]
    device = next(iter(latents.values())).device.type
    return dict(zip(decoders, spread(tasks, device), strict=True))


def self_attention(block: nn.MultiheadAttention, x_BTD: Tensor) -> Tensor:
    joint = F.linear(x_BTD, block.in_proj_weight, block.in_proj_bias)
    query, key, value = joint.unflatten(-1, (3, block.num_heads, -1)).permute(2, 0, 3, 1, 4)
    y = F.scaled_dot_product_attention(query, key, value)
    return block.out_proj(y.transpose(1, 2).flatten(-2))


def look_up(block: nn.MultiheadAttention, x_BTD: Tensor, memory_BKD: Tensor, hidden_TK: Tensor | None) -> Tensor:
    """Cross-attention with few keys: the query and the output map act on them, not on the frames.

    <W_q x + b_q, k> = <x, W_q^T k> + <b_q, k>, and W_o sum_k w_k v_k = sum_k w_k (W_o v_k), in every head.
    """
    heads, width = block.num_heads, x_BTD.shape[-1]
    to_query, to_key, to_value = block.in_proj_weight.chunk(3)
    for_query, for_key, for_value = block.in_proj_bias.chunk(3)
    key = F.linear(memory_BKD, to_key, for_key).unflatten(-1, (heads, -1)).transpose(1, 2)  # B, H, K, d
    value = F.linear(memory_BKD, to_value, for_value).unflatten(-1, (heads, -1)).transpose(1, 2)
    key = key * (width // heads) ** -0.5
    keys = (key @ to_query.unflatten(0, (heads, -1))).transpose(1, 2).flatten(1, 2)  # B, K H, D
    values = (value @ block.out_proj.weight.t().unflatten(0, (heads, -1))).transpose(1, 2).flatten(1, 2)
    offset = (key @ for_query.unflatten(0, (heads, -1))[:, :, None]).transpose(1, 2).flatten(1)
    scores = torch.baddbmm(offset[:, None], x_BTD, keys.transpose(1, 2)).unflatten(-1, (-1, heads))  # B, T, K, H
    if hidden_TK is not None:
        scores = scores.masked_fill(hidden_TK[..., None], -torch.inf)
    return torch.baddbmm(block.out_proj.bias, scores.softmax(-2).flatten(-2), values)
