"""Transformer stacks with U-shaped skips, on post-norm DETR layers (Carion et al. 2020; Chen et al. 2023, MLD).

Parameter names are those of the published part VAEs (`self_attn`, `multihead_attn`, `linear1` ...). Batch first.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Apply = Callable[[nn.Module, Tensor], Tensor]


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each followed by add and LayerNorm (`pre_norm` normalises before instead)."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float = 0.1, pre_norm: bool = False):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, feed_forward), nn.Linear(feed_forward, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout, self.pre_norm = nn.Dropout(dropout), pre_norm

    def residual(self, x: Tensor, norm: nn.LayerNorm, block: Callable[[Tensor], Tensor]) -> Tensor:
        return x + self.dropout(block(norm(x))) if self.pre_norm else norm(x + self.dropout(block(x)))

    def feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(nn.functional.gelu(self.linear1(x))))

    def forward(self, x_BTD: Tensor, position_BTD: Tensor | None = None) -> Tensor:
        """`position` is added to queries and keys, not to values."""

        def look_around(n: Tensor) -> Tensor:
            placed = n if position_BTD is None else n + position_BTD
            return self.self_attn(placed, placed, n, need_weights=False)[0]

        x = self.residual(x_BTD, self.norm1, look_around)
        return self.residual(x, self.norm2, self.feed_forward)


class DecoderLayer(EncoderLayer):
    """As the encoder layer, with cross-attention to a memory between the two."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float = 0.1, pre_norm: bool = False):
        super().__init__(width, heads, feed_forward, dropout, pre_norm)
        self.multihead_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x_BTD: Tensor, memory_BND: Tensor, hidden_TN: Tensor | None = None) -> Tensor:
        """`hidden` (T, N) bool is True where a query may not look at a memory token."""
        x = self.residual(x_BTD, self.norm1, lambda n: self.self_attn(n, n, n, need_weights=False)[0])

        def look_up(n: Tensor) -> Tensor:
            return self.multihead_attn(n, memory_BND, memory_BND, need_weights=False, attn_mask=hidden_TN)[0]

        x = self.residual(x, self.norm2, look_up)
        return self.residual(x, self.norm3, self.feed_forward)


class SkipStack(nn.Module):
    """Layers in a U: outputs of the first half are concatenated, last first, to the inputs of the second half and
    reduced by a linear.

    An even `depth` is made odd by adding one. With n = (depth - 1) / 2: n input blocks, a middle block, n output
    blocks, then LayerNorm.
    """

    def __init__(self, layer: Callable[[], nn.Module], depth: int, width: int):
        super().__init__()
        n = depth // 2
        self.input_blocks = nn.ModuleList(layer() for _ in range(n))
        self.middle_block = layer()
        self.output_blocks = nn.ModuleList(layer() for _ in range(n))
        self.linear_blocks = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(n))
        self.norm = nn.LayerNorm(width)

    def forward(self, x_BTD: Tensor, *memory: Tensor | None) -> Tensor:
        return self.walk(x_BTD, lambda block, x: block(x, *memory))

    def walk(self, x_BTD: Tensor, through: Apply, reduced: Apply = lambda reduce, x: reduce(x)) -> Tensor:
        """x by way of all layers, each entered by `through(layer, x)`, and of the linears, entered by `reduced`."""
        skips = []
        for block in self.input_blocks:
            x_BTD = through(block, x_BTD)
            skips.append(x_BTD)
        x_BTD = through(self.middle_block, x_BTD)
        for block, reduce in zip(self.output_blocks, self.linear_blocks, strict=True):
            x_BTD = through(block, reduced(reduce, torch.cat((x_BTD, skips.pop()), -1)))
        return self.norm(x_BTD)
