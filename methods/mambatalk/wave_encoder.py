"""The speech encoder of MambaTalk: EMAGE's six blocks, and two branches that leave them early.

Legend: B batch, S samples, T steps, C channels. The total stride is 540 samples: 64 frames of 533 samples give 64
steps, and longer speech drifts against 30 frames per second, so the encoder is meant for windows.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from gesturebench.common.nn.wave_blocks import FoldedBlock, WaveBlock

MIDDLE, LATE = 3, 5
"""Blocks after which the branches leave."""


class WaveEncoder(nn.Module):
    """(B, S, features) at 16 kHz -> (B, T, C).

    >>> WaveEncoder(2, 16).eval()(torch.zeros(1, 64 * 533, 2)).shape
    torch.Size([1, 64, 16])
    """

    def __init__(self, features: int, channels: int):
        super().__init__()
        quarter, half = channels // 4, channels // 2
        self.feat_extractor = nn.Sequential(
            WaveBlock(features, quarter, stride=5, padding=1600, projected=True),
            WaveBlock(quarter, quarter, stride=6, padding=0, projected=True),
            WaveBlock(quarter, quarter, stride=1, padding=7, projected=False),
            WaveBlock(quarter, half, stride=6, padding=0, projected=True),
            WaveBlock(half, half, stride=1, padding=7, projected=False),
            WaveBlock(half, channels, stride=3, padding=0, projected=True),
        )
        middle = (
            WaveBlock(quarter, half, stride=6, padding=0, projected=True),
            WaveBlock(half, channels, stride=3, padding=0, projected=True),
        )
        late = (WaveBlock(half, channels, stride=3, padding=0, projected=True),)
        self.multi_scale = nn.ModuleList((nn.Sequential(*middle), nn.Sequential(*late)))
        self.out = nn.Linear(3 * channels, channels)

    def forward(self, samples_BSF: Tensor) -> Tensor:
        middle = self.feat_extractor[:MIDDLE](samples_BSF.transpose(1, 2))
        late = self.feat_extractor[MIDDLE:LATE](middle)
        scales = (self.multi_scale[0](middle), self.multi_scale[1](late), self.feat_extractor[LATE:](late))
        return self.out(torch.cat(scales, 1).transpose(1, 2))

    def folded(self) -> "WaveEncoder":
        """A copy for inference that computes the same with norms folded into convolutions."""
        fast = deepcopy(self)
        fast.feat_extractor = _folded(self.feat_extractor)
        fast.multi_scale = nn.ModuleList(map(_folded, self.multi_scale))
        return fast.eval().requires_grad_(False)


def _folded(blocks: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*map(FoldedBlock, blocks))
