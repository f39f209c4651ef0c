"""Building blocks of ReMoDiffuse (Zhang et al. 2023): feed-forward nets and self-attention, with and without the
diffusion time.

Legend of this folder: B batch, T frames, N prompt tokens, k retrieved samples, F frames of one, M tokens of all
retrieved samples, D width, L prompt width, E time width, H heads. Parameter names are those of the published
checkpoints (below their `model.` prefix).
"""

from torch import Tensor, nn
from torch.nn.functional import gelu

from gesturebench.common.nn.efficient_attention import MASKED, attend, context
from gesturebench.common.nn.stylization import Stylization


class PlainFeedForward(nn.Module):
    """x + Linear2(GELU(Linear1 x)); no normalisation, the second linear starts at zero."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)

    def change(self, x_BTD: Tensor) -> Tensor:
        """What is added to x."""
        return self.linear2(gelu(self.linear1(x_BTD)))

    def forward(self, x_BTD: Tensor) -> Tensor:
        return x_BTD + self.change(x_BTD)


class FeedForward(PlainFeedForward):
    """x + Stylization(Linear2(GELU(Linear1 x)), e_t)."""

    def __init__(self, width: int, hidden: int, time_width: int, dropout: float = 0.0):
        super().__init__(width, hidden)
        self.proj_out = Stylization(width, time_width, dropout)

    def forward(self, x_BTD: Tensor, emb_BE: Tensor) -> Tensor:
        return x_BTD + self.proj_out(self.change(x_BTD), emb_BE)


class PlainSelfAttention(nn.Module):
    """x + efficient attention(LayerNorm x); tokens with mask 0 are not looked at."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        n, mask = self.norm(x_BTD), mask_BT[..., None].to(x_BTD.dtype)
        c = context(self.key(n) + (1 - mask) * MASKED, self.value(n) * mask, self.heads)
        return x_BTD + attend(self.query(n), c, self.heads)
