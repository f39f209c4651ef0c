"""Efficient (linear) attention: softmax over channels for queries, over tokens for keys (Shen et al. 2021), as in
ReMoDiffuse.

y = rho_q(Q) (rho_k(K)^T V): the D/H x D/H context of a head is formed once, so cost is linear in the number of tokens.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.nn.stylization import Stylization

MASKED = -1_000_000.0


def context(key_BND: Tensor, value_BND: Tensor, heads: int) -> Tensor:
    """C = softmax over tokens(K)^T V per head: (B, H, D/H, D/H)."""
    key = key_BND.unflatten(-1, (heads, -1)).softmax(1)
    value = value_BND.unflatten(-1, (heads, -1))
    return torch.einsum("bnhd,bnhl->bhdl", key, value)


def attend(query_BTD: Tensor, context_BHdl: Tensor) -> Tensor:
    """y = softmax over channels(Q) C: (B, T, D)."""
    query = query_BTD.unflatten(-1, (context_BHdl.shape[1], -1)).softmax(-1)
    return torch.einsum("bthd,bhdl->bthl", query, context_BHdl).flatten(-2)


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
        return x_BTD + self.proj_out.apply_scale(attend(self.query(n), c), style_B2D)


class EfficientCrossAttention(nn.Module):
    """x + Stylization(attention(LayerNorm x, LayerNorm condition), emb), with the condition dropped for rows whose keep
    flag is 0.
    """

    def __init__(self, width: int, condition_width: int, heads: int, time_width: int, dropout: float = 0.0):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.text_norm = nn.LayerNorm(condition_width)
        self.query = nn.Linear(width, width)
        self.key, self.value = (nn.Linear(condition_width, width) for _ in range(2))
        self.proj_out = Stylization(width, time_width, dropout)

    def context(self, condition_BND: Tensor, keep_B: Tensor | None = None) -> Tensor:
        """What the queries look up, (B, H, d, d). It depends on the condition alone, so a sampler forms it once per
        clip.

        For a dropped row the value is its bias at every token and the keys sum to one, exactly as in the released
        masking.
        """
        c = self.text_norm(condition_BND)
        if keep_B is None:
            return context(self.key(c), self.value(c), self.heads)
        keep = keep_B.to(c.dtype)[:, None, None]
        return context(self.key(c) + (1 - keep) * MASKED, self.value(c * keep), self.heads)

    def forward(
        self, x_BTD: Tensor, style_B2D: Tensor, context_BHdl: Tensor, query_mask_T: Tensor | None = None
    ) -> Tensor:
        """`query_mask` (T,) 0 pushes a token's result to -10^6 before the normalisation, in float32, as published
        weights expect.
        """
        return x_BTD + self._styled(attend(self.query(self.norm(x_BTD)), context_BHdl), style_B2D, query_mask_T)

    def unconditional(self, x_BTD: Tensor, style_B2D: Tensor, query_mask_T: Tensor | None = None) -> Tensor:
        """The result for a dropped condition without any attention: y is the value bias at every token (exact, not
        approximate).
        """
        y = self.value.bias.expand(len(x_BTD), 1 if query_mask_T is None else x_BTD.shape[1], -1)
        return x_BTD + self._styled(y, style_B2D, query_mask_T)

    def _styled(self, y_BTD: Tensor, style_B2D: Tensor, query_mask_T: Tensor | None) -> Tensor:
        if query_mask_T is not None:
            y_BTD = y_BTD + ((1 - query_mask_T) * MASKED)[:, None]
        return self.proj_out.apply_scale(y_BTD, style_B2D)
