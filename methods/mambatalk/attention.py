"""How motion attends to speech at inference: keys and values of the speech do not wait for motion.

Legend: B batch, T frames, A speech width, D hidden width, L layers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gesturebench.common.codecs.fast_decoding import self_attention
from gesturebench.common.nn.packed import packed


class Attention:
    """The layers of an `nn.TransformerDecoder` behind a projection of its memory; their weights are fixed.

    Both projections of the memory, W_l (W x + b) + b_l in each layer l, are one map of x.
    """

    @torch.no_grad()
    def __init__(self, layers: nn.ModuleList, projection: nn.Linear):
        self._layers, width = layers, projection.out_features
        attentions = [layer.multihead_attn for layer in layers]
        weight = torch.cat([m.in_proj_weight[width:] for m in attentions]).double()
        bias = torch.cat([m.in_proj_bias[width:] for m in attentions]).double()
        self._remember = packed(weight @ projection.weight.double(), weight @ projection.bias.double() + bias)

    def memory(self, heard_BTA: Tensor) -> Tensor:
        """(B, T, L, 2 D): keys and values of every layer."""
        return self._remember(heard_BTA).unflatten(-1, (len(self._layers), -1))

    def __call__(self, x_BTD: Tensor, memory_BTL: Tensor) -> Tensor:
        """(B, T, D)."""
        for layer, both in zip(self._layers, memory_BTL.unbind(2), strict=True):
            x_BTD = layer.norm1(x_BTD + self_attention(layer.self_attn, x_BTD))
            x_BTD = layer.norm2(x_BTD + _attended(layer.multihead_attn, x_BTD, both))
            x_BTD = layer.norm3(x_BTD + layer.linear2(F.relu(layer.linear1(x_BTD))))
        return x_BTD


def _attended(block: nn.MultiheadAttention, x_BTD: Tensor, both_BT2D: Tensor) -> Tensor:
    width = block.embed_dim
    query = F.linear(x_BTD, block.in_proj_weight[:width], block.in_proj_bias[:width])
    heads = (x.unflatten(-1, (block.num_heads, -1)).transpose(1, 2) for x in (query, *both_BT2D.chunk(2, -1)))
    return block.out_proj(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
