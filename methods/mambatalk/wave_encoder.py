"""The speech encoder of MambaTalk: EMAGE's six blocks, and two branches that leave them early.

Legend: B batch, S samples, T steps, C channels. The total stride is 540 samples: 64 frames of 533 samples give 64
steps, and longer speech drifts against 30 frames per second, so the encoder is meant for windows.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from gesturebench.common.nn.wave_blocks import FoldedBlock, WaveBlock, speech_blocks

LONG, MIDDLE, LATE = 2, 3, 5
"""Blocks of the longest activations, and those after which the branches leave."""


class WaveEncoder(nn.Module):
    """(B, S, features) at 16 kHz -> (B, T, C).

    >>> WaveEncoder(2, 16).eval()(torch.zeros(1, 64 * 533, 2)).shape
    torch.Size([1, 64, 16])
    """

    def __init__(self, features: int, channels: int):
        super().__init__()
        quarter, half = channels // 4, channels // 2
        self.feat_extractor = speech_blocks(features, channels)
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

    def folded(self) -> "FoldedWaveEncoder":
        """The same function for inference, with norms folded into convolutions."""
        return FoldedWaveEncoder(self)


class FoldedWaveEncoder(nn.Module):
    """A trained `WaveEncoder` as it is at inference; on a CPU the longest activations, those of the first blocks, are
    made for one window after another, since those of eight do not fit into its cache."""

    def __init__(self, encoder: WaveEncoder):
        super().__init__()
        blocks = _folded(encoder.feat_extractor)
        self.long, self.middle = blocks[:LONG], blocks[LONG:MIDDLE]
        self.late, self.last = blocks[MIDDLE:LATE], blocks[LATE:]
        self.from_middle, self.from_late = map(_folded, encoder.multi_scale)
        self.out = deepcopy(encoder.out)
        self.eval().requires_grad_(False)

    def forward(self, samples_BSF: Tensor) -> Tensor:
        x = samples_BSF.mT
        middle = self.middle(torch.cat([self.long(row) for row in x.split(1 if x.device.type == "cpu" else len(x))]))
        late = self.late(middle)
        scales = (self.from_middle(middle), self.from_late(late), self.last(late))
        return self.out(torch.cat(scales, 1).mT)


def _folded(blocks: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*map(FoldedBlock, blocks))
