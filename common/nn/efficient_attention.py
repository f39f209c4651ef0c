"""Efficient (linear) attention: softmax over channels for queries, over tokens for keys (Shen et al. 2021), as in
ReMoDiffuse.

y = rho_q(Q) (rho_k(K)^T V): the D/H x D/H context of a head is formed once, so cost is linear in the number of tokens.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.nn.stylization import Stylization

MASKED = -1_000_000.0


NARROW = 128
"""Width up to which one product with zeros outside the heads beats the copies that separate heads need: forward and
backward of 16 windows on one core take 3.2 instead of 3.8 ms at width 64 (4 heads), but 38.7 instead of 11.7 at 512
(16 heads). It also holds 16 times the memory there.
"""


def context(key_BND: Tensor, value_BND: Tensor, heads: int) -> Tensor:
    """C = softmax over tokens(K)^T V of every head: (B, H, D/H, D/H), at narrow widths one block-diagonal (B, D, D)."""
    width = key_BND.shape[-1]
    if width > NARROW:
        return head_contexts(key_BND.unflatten(-1, (heads, -1)), value_BND.unflatten(-1, (heads, -1)))
    head = torch.arange(width, device=key_BND.device) // (width // heads)
    return key_BND.softmax(1).transpose(1, 2) @ value_BND * (head[:, None] == head)


def attend(query_BTD: Tensor, context: Tensor, heads: int) -> Tensor:
    """y = softmax over a head's channels(Q) C: (B, T, D)."""
    query_BTHd = query_BTD.unflatten(-1, (heads, -1))
    if context.ndim == 4:
        return attend_by_head(query_BTHd, context).flatten(-2)
    return query_BTHd.softmax(-1).flatten(-2) @ context


def head_contexts(key_BNHd: Tensor, value_BNHd: Tensor) -> Tensor:
    """(B, H, d, d) with d = D / H."""
    return key_BNHd.softmax(1).permute(0, 2, 3, 1) @ value_BNHd.transpose(1, 2)


def attend_by_head(query_BTHd: Tensor, context_BHdd: Tensor) -> Tensor:
    """(B, T, H, d)."""
    return (query_BTHd.softmax(-1).transpose(1, 2) @ context_BHdd).transpose(1, 2)


class EfficientSelfAttention(nn.Module):
    """x + Stylization(attention(LayerNorm x), emb). Tokens with mask 0 are not looked at."""

    def __init__(self, width: int, heads: int, time_width: int, dropout: float = 0.0):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.proj_out = Stylization(width, time_width, dropout)

    def forward(self, x_BTD: Tensor, style_B2D: Tensor, mask_BT1: Tensor) -> Tensor:
        """`style` is `self.proj_out.scale_shift(emb)`, mask (B, T, 1) is 1 where a token counts."""
        n = self.norm(x_BTD)
        c = context(self.key(n) + (1 - mask_BT1) * MASKED, self.value(n) * mask_BT1, self.heads)
        return x_BTD + self.proj_out.apply_scale(attend(self.query(n), c, self.heads), style_B2D)


class EfficientCrossAttention(nn.Module):
    """Stylization(attention(LayerNorm x, LayerNorm condition), emb), without the residual; the caller adds x."""

    def __init__(self, width: int, condition_width: int, heads: int, time_width: int, dropout: float = 0.0):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.text_norm = nn.LayerNorm(condition_width)
        self.query = nn.Linear(width, width)
        self.key, self.value = (nn.Linear(condition_width, width) for _ in range(2))
        self.proj_out = Stylization(width, time_width, dropout)

    def context(self, condition_BND: Tensor, keep_B: Tensor | None = None) -> Tensor:
        """What the queries look up, see `context`. It depends on the condition alone: a sampler forms it once per clip.

        For a row whose keep flag is 0 the condition is dropped: the value is its bias at every token, as released.
        """
        c = self.text_norm(condition_BND)
        if keep_B is None:
            return context(self.key(c), self.value(c), self.heads)
        keep = keep_B.to(c.dtype)[:, None, None]
        far = max(MASKED, torch.finfo(c.dtype).min / 2)  # float16 does not reach so far
        return context(self.key(c) + (1 - keep) * far, self.value(c * keep), self.heads)

    def answer_of_one(self, condition_B1D: Tensor, keep_B: Tensor | None = None) -> Tensor:
        """The attention result (B, 1, D) where all condition tokens are equal: queries and keys sum to one, so it is
        the value itself, whatever x is (exact)."""
        c = self.text_norm(condition_B1D)
        return self.value(c if keep_B is None else c * keep_B.to(c.dtype)[:, None, None])

    def dropped(self) -> Tensor:
        """The attention result (1, 1, D) of a dropped condition: the value bias at every token (exact)."""
        return self.value.bias[None, None]

    def forward(self, x_BTD: Tensor, style_B2D: Tensor, context: Tensor, query_mask_T: Tensor | None) -> Tensor:
        y = attend(self.query(self.norm(x_BTD)), context, self.heads)
        return self.styled(y, style_B2D, query_mask_T)

    def styled(self, y_BTD: Tensor, style_B2D: Tensor, query_mask_T: Tensor | None) -> Tensor:
        """`query_mask` (T,) 0 pushes a token's result to -10^6 before the normalisation, in float32, as published
        weights expect; y may have one token that stands for all."""
        if query_mask_T is not None:
            y_BTD = y_BTD + ((1 - query_mask_T) * MASKED)[:, None]
        return self.proj_out.apply_scale(y_BTD, style_B2D)
