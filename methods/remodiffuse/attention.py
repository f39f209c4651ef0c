"""Attention over motion, prompt and retrieved samples: semantics-modulated (Zhang et al. 2023, sec. 3.3), and its
softmax counterpart. Legend in `blocks.py`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gesturebench.common.nn.efficient_attention import MASKED, attend, context
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved


class Source(NamedTuple):
    """Keys and values (B, N, D) of one block of tokens, and `seen`, 1 where a token may be looked at; it broadcasts
    against (B, N, 1)."""

    key: Tensor
    value: Tensor
    seen: Tensor

    def pushed(self) -> Tensor:
        """Keys with 10^6 taken off where a token is not seen; float16 does not reach so far."""
        far = max(MASKED, torch.finfo(self.key.dtype).min / 2)
        return self.key + (1 - self.seen) * far


class _MixedAttention(nn.Module):
    """What both have: queries from the motion, keys and values from motion and prompt, the stylized residual."""

    def __init__(self, width: int, prompt_width: int, heads: int, time_width: int, dropout: float = 0.0):
        super().__init__()
        self.heads = heads
        self.norm, self.text_norm = nn.LayerNorm(width), nn.LayerNorm(prompt_width)
        self.query, self.key_motion, self.value_motion = (nn.Linear(width, width) for _ in range(3))
        self.key_text, self.value_text = (nn.Linear(prompt_width, width) for _ in range(2))
        self.proj_out = Stylization(width, time_width, dropout)

    def of_prompt(self, prompt_BNL: Tensor, speech_B: Tensor) -> Source:
        n = self.text_norm(prompt_BNL)
        return Source(self.key_text(n), self.value_text(n), _gate(speech_B, n))

    def of_motion(self, n_BTD: Tensor, mask_BT: Tensor) -> Source:
        """`n` is the normalised motion."""
        return Source(self.key_motion(n_BTD), self.value_motion(n_BTD), mask_BT[..., None].to(n_BTD.dtype))


class SemanticsModulatedAttention(_MixedAttention):
    """x + Stylization(efficient attention of x over [prompt; retrieved; motion], e_t).

    Captions of retrieved samples enter the keys (which frames are borrowed), never the values.
    """

    def __init__(self, width: int, prompt_width: int, heads: int, time_width: int, dropout: float = 0.0):
        super().__init__(width, prompt_width, heads, time_width, dropout)
        self.retr_norm1, self.retr_norm2 = nn.LayerNorm(2 * width), nn.LayerNorm(width)
        self.key_retr, self.value_retr = nn.Linear(2 * width, width), nn.Linear(width, width)
        nn.init.zeros_(self.value_retr.weight)
        nn.init.zeros_(self.value_retr.bias)

    def of_retrieved(self, retrieved: Retrieved, retrieval_B: Tensor) -> Source:
        """M = k F tokens."""
        motion = retrieved.motion.flatten(1, 2)
        text = retrieved.text.expand_as(retrieved.motion).flatten(1, 2)
        key = self.key_retr(self.retr_norm1(torch.cat((motion, text), -1)))
        seen = retrieved.mask.flatten(1)[..., None].to(key.dtype) * _gate(retrieval_B, key)
        return Source(key, self.value_retr(self.retr_norm2(motion)), seen)

    def forward(
        self,
        x_BTD: Tensor,
        prompt_BNL: Tensor,
        emb_BE: Tensor,
        mask_BT: Tensor,
        speech_B: Tensor,
        retrieval_B: Tensor,
        retrieved: Retrieved | None,
    ) -> Tensor:
        """`retrieved` None: nothing was retrieved for any row."""
        n = self.norm(x_BTD)
        sources = [self.of_prompt(prompt_BNL, speech_B), self.of_motion(n, mask_BT)]
        if retrieved is not None:
            sources.append(self.of_retrieved(retrieved, retrieval_B))
        key = torch.cat([source.pushed() for source in sources], 1)
        value = torch.cat([source.value * source.seen for source in sources], 1)
        y = attend(self.query(n), context(key, value, self.heads), self.heads)
        return x_BTD + self.proj_out(y, emb_BE)


class BaseMixedAttention(_MixedAttention):
    """x + Stylization(softmax attention of x over [prompt; motion], e_t), without the factor 1 / sqrt(d), as published.

    Nothing that is retrieved enters: the ablation row "quadratic attention".
    """

    def forward(
        self,
        x_BTD: Tensor,
        prompt_BNL: Tensor,
        emb_BE: Tensor,
        mask_BT: Tensor,
        speech_B: Tensor,
        retrieval_B: Tensor | None = None,
        retrieved: Retrieved | None = None,
    ) -> Tensor:
        n = self.norm(x_BTD)
        sources = self.of_prompt(prompt_BNL, speech_B), self.of_motion(n, mask_BT)
        query, key, value = (
            rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for rows in (
                self.query(n),
                torch.cat([source.key for source in sources], 1),
                torch.cat([source.value * source.seen for source in sources], 1),
            )
        )
        push = torch.cat([((1 - s.seen) * MASKED).expand(-1, s.key.shape[1], -1) for s in sources], 1)
        weights = (query @ key.mT + push[:, None].mT).softmax(-1)
        return x_BTD + self.proj_out((weights @ value).transpose(1, 2).flatten(2), emb_BE)


def _gate(keep_B: Tensor, like: Tensor) -> Tensor:
    """(B, 1, 1)."""
    return keep_B.to(like)[:, None, None]
