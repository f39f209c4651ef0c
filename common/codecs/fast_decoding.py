"""Decoding latents with a part VAE whose weights are fixed; the same function as `PartVAE.decode`.

What it saves (exact but for rounding): the first layer's self-attention sees zero queries with positions, so it is a
constant of the weights; queries and outputs of the cross-attentions are folded with the few keys and values of a
window; joint products for queries, keys and values; weights laid out once, on CPUs packed (`common/nn/packed.py`).

Legend: B batch, T frames, K latents, D width, H heads, d = D / H.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.nn.packed import PrepackedLinear, lay_out
from gesturebench.common.nn.skip_transformer import DecoderLayer
from gesturebench.common.threads import spread

Linear = Callable[[Tensor, Tensor, Tensor], Tensor]


class FastDecoder:
    """`decoder(z_BKD)` is `vae.decode(z_BKD)`; changes the layout, not the values, of the VAE's weights.

    Latents of VAEs without cross-attention (`all_encoder`) are decoded by the VAE itself.
    """

    @torch.no_grad()
    def __init__(self, vae: PartVAE):
        self._vae, self._started, self._linear = vae, {}, PrepackedLinear()
        self._first: nn.Module = [*vae.decoder.input_blocks, vae.decoder.middle_block][0]
        layers = [m for m in vae.modules() if isinstance(m, DecoderLayer)]
        lay_out(vae, but=[layer.multihead_attn for layer in layers])
        self._look_ups = {layer: LookUp(layer.multihead_attn) for layer in layers}

    @torch.no_grad()
    def __call__(self, z_BKD: Tensor) -> Tensor:
        vae = self._vae
        if vae.config.architecture == "all_encoder":
            return vae.decode(z_BKD)
        memory, hidden = vae.mem_pos_decoder(z_BKD), vae.hidden(z_BKD.shape[1], z_BKD.device)
        frames = z_BKD.shape[1] * vae.config.chunk
        start, linear = self._start(frames, z_BKD).expand(len(z_BKD), -1, -1), self._linear

        def through(layer: DecoderLayer, x_BTD: Tensor) -> Tensor:
            if layer is not self._first:
                x_BTD = layer.residual(x_BTD, layer.norm1, lambda n: self_attention(layer.self_attn, n, linear))
            x_BTD = layer.residual(x_BTD, layer.norm2, lambda n: self._look_ups[layer](n, memory, hidden, linear))
            return layer.residual(x_BTD, layer.norm3, lambda n: feed_forward(layer, n, linear))

        frames_BTD = vae.decoder.walk(start, through, lambda reduce, x: linear(x, reduce.weight, reduce.bias))
        return vae.final_layer(frames_BTD)

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


def self_attention(block: nn.MultiheadAttention, x_BTD: Tensor, linear: Linear = F.linear) -> Tensor:
    joint = linear(x_BTD, block.in_proj_weight, block.in_proj_bias)
    heads = joint.view(*x_BTD.shape[:2], 3 * block.num_heads, -1).transpose(1, 2)
    y = F.scaled_dot_product_attention(*heads.chunk(3, 1))
    return linear(y.transpose(1, 2).flatten(2), block.out_proj.weight, block.out_proj.bias)


def feed_forward(layer: DecoderLayer, x_BTD: Tensor, linear: Linear) -> Tensor:
    hidden = F.gelu(linear(x_BTD, layer.linear1.weight, layer.linear1.bias))
    return linear(hidden, layer.linear2.weight, layer.linear2.bias)


class LookUp:
    """Cross-attention with few keys: the query and the output map act on them, not on the frames.

    <W_q x + b_q, k> = <x, W_q^T k> + <b_q, k>, and W_o sum_k w_k v_k = sum_k w_k (W_o v_k), in every head. Heads
    lie behind keys, where a softmax over ten keys is ten times as fast.
    """

    def __init__(self, block: nn.MultiheadAttention):
        width, self._heads = block.embed_dim, block.num_heads
        to_query, self._to_both = block.in_proj_weight.split((width, 2 * width))
        for_query, self._for_both = block.in_proj_bias.split((width, 2 * width))
        queries = torch.cat((to_query, for_query[:, None]), 1).view(self._heads, -1, width + 1)
        self._to_query = queries.transpose(1, 2) * (width // self._heads) ** -0.5  # H, D + 1, d
        self._out = block.out_proj.weight.t().unflatten(0, (self._heads, -1))  # H, d, D
        self._for_out = block.out_proj.bias

    def __call__(self, x_BTD: Tensor, memory_BKD: Tensor, hidden_TK: Tensor | None, linear: Linear) -> Tensor:
        (batch, slots, width), heads = memory_BKD.shape, self._heads
        both = linear(memory_BKD.flatten(0, 1), self._to_both, self._for_both).view(batch * slots, 2, heads, -1)
        keys = self._to_query @ both[:, 0].permute(1, 2, 0)
        keys = keys.view(heads, width + 1, batch, slots).permute(2, 1, 3, 0).flatten(2)  # B, D + 1, K H
        values = both[:, 1].transpose(0, 1) @ self._out
        values = values.view(heads, batch, slots, width).permute(1, 2, 0, 3).flatten(1, 2)  # B, K H, D
        scores = torch.baddbmm(keys[:, width:], x_BTD, keys[:, :width]).view(batch, -1, slots, heads)
        if hidden_TK is not None:
            scores = scores.masked_fill(hidden_TK[..., None], -torch.inf)
        return torch.baddbmm(self._for_out, scores.softmax(-2).flatten(2), values)
