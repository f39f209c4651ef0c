"""The token sequence of a window: latents of four parts one after another, with a zero token between neighbours.

upper (K) 0 hands (K) 0 face (K) 0 lower + translation (K)      T = 4 K + 3 tokens
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.nn.positions import sinusoid

RETRIEVED_PARTS = ("upper", "hands")
"""Parts that take over retrieved motion; face and lower body follow the speech alone."""

QueryMask = Literal["none", "separators", "released"]


@dataclass(frozen=True)
class TokenLayout:
    """`slots` latents per part (10 as published).

    >>> layout = TokenLayout(10)
    >>> layout.tokens, layout.part("hands"), layout.separators
    (43, slice(11, 21, None), (10, 21, 32))
    """

    slots: int

    @property
    def tokens(self) -> int:
        return len(PART_NAMES) * self.slots + len(PART_NAMES) - 1

    @property
    def separators(self) -> tuple[int, ...]:
        return tuple(k * (self.slots + 1) + self.slots for k in range(len(PART_NAMES) - 1))

    def part(self, name: str) -> slice:
        start = PART_NAMES.index(name) * (self.slots + 1)
        return slice(start, start + self.slots)

    def join(self, parts: list[Tensor]) -> Tensor:
        """Four (..., K, L) -> (..., T, L) with zeros at the separators."""
        zero = torch.zeros_like(parts[0][..., :1, :])
        sequence = [parts[0]]
        for part in parts[1:]:
            sequence += [zero, part]
        return torch.cat(sequence, -2)

    def split(self, tokens: Tensor) -> list[Tensor]:
        """(..., T, L) -> four (..., K, L)."""
        return [tokens[..., self.part(name), :] for name in PART_NAMES]

    def mask(self) -> Tensor:
        """(T,) 1 at latents, 0 at separators."""
        mask = torch.ones(self.tokens)
        mask[list(self.separators)] = 0
        return mask

    def query_mask(self, kind: QueryMask) -> Tensor | None:
        """(T,) 0 where a token's cross-attention result is pushed away.

        `released` masks tokens K, 2K, 3K: the published weights were trained so, although the separators are at K,
        2K+1, 3K+2.
        """
        if kind == "none":
            return None
        mask = torch.ones(self.tokens)
        mask[list(self.separators if kind == "separators" else [k * self.slots for k in (1, 2, 3)])] = 0
        return mask

    def slot_positions(self, width: int) -> Tensor:
        """(K, 1, width) sinusoidal positions of the slots of a part."""
        return sinusoid(self.slots, width)[:, None]

    def tokens_of(self, start: int, stop: int, parts: tuple[str, ...] = RETRIEVED_PARTS) -> list[int]:
        """Token indices of slots `start` to `stop` (exclusive) of the given parts."""
        return [self.part(name).start + slot for name in parts for slot in range(start, stop)]
