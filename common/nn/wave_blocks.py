"""Residual blocks of 1-D convolutions on the samples of speech, of which EMAGE and MambaTalk build their encoders.

Legend: B batch, C channels, S samples or steps.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.nn.fast_convolution import convolution

KERNEL = 15
SLOPE = 0.01


def _strided(width_in: int, width_out: int, stride: int, padding: int) -> tuple[nn.Conv1d, nn.BatchNorm1d]:
    return nn.Conv1d(width_in, width_out, KERNEL, stride, padding), nn.BatchNorm1d(width_out)


class WaveBlock(nn.Module):
    """LeakyReLU(norm(conv(LeakyReLU(norm(conv x)))) + shortcut x); the shortcut is a projection where the length
    changes."""

    def __init__(self, width_in: int, width_out: int, *, stride: int, padding: int, projected: bool):
        super().__init__()
        self.conv1, self.bn1 = _strided(width_in, width_out, stride, padding)
        self.conv2, self.bn2 = _strided(width_out, width_out, 1, KERNEL // 2)
        self.activation = nn.LeakyReLU(SLOPE)
        self.downsample = nn.Sequential(*_strided(width_in, width_out, stride, padding)) if projected else None

    def forward(self, x_BCS: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.activation(self.bn1(self.conv1(x_BCS)))))
        return self.activation(y + (x_BCS if self.downsample is None else self.downsample(x_BCS)))


class FoldedBlock(nn.Module):
    """A trained `WaveBlock` as it is at inference: norms are part of the convolutions, and the first convolution and
    the projection of the shortcut, which read the same samples, are one.
    """

    def __init__(self, block: WaveBlock):
        super().__init__()
        first, self._width = [_folded(block.conv1, block.bn1)], block.conv1.out_channels
        first += [_folded(*block.downsample)] if block.downsample is not None else []
        self.is_projected = len(first) == 2
        self.first = _like(block.conv1, *(torch.cat(both) for both in zip(*first, strict=True)))
        self.second = _like(block.conv2, *_folded(block.conv2, block.bn2))

    def forward(self, x_BCS: Tensor) -> Tensor:
        y = self.first(x_BCS)
        shortcut = y[:, self._width :] if self.is_projected else x_BCS
        y = self.second(nn.functional.leaky_relu(y[:, : self._width], SLOPE))
        return nn.functional.leaky_relu_(y.add_(shortcut), SLOPE)


def speech_blocks(features: int, channels: int) -> nn.Sequential:
    """The six blocks of the published encoders: (B, features, S) -> (B, channels, T), in all a stride of 540."""
    quarter, half = channels // 4, channels // 2
    return nn.Sequential(
        WaveBlock(features, quarter, stride=5, padding=1600, projected=True),
        WaveBlock(quarter, quarter, stride=6, padding=0, projected=True),
        WaveBlock(quarter, quarter, stride=1, padding=7, projected=False),
        WaveBlock(quarter, half, stride=6, padding=0, projected=True),
        WaveBlock(half, half, stride=1, padding=7, projected=False),
        WaveBlock(half, channels, stride=3, padding=0, projected=True),
    )


@torch.no_grad()
def _folded(layer: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of `norm(layer(x))` with the norm's running statistics."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = (layer.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
    return layer.weight.double() * scale[:, None, None], bias


def _like(layer: nn.Conv1d, weight_OCK: Tensor, bias_O: Tensor) -> nn.Module:
    return convolution(weight_OCK, bias_O, stride=layer.stride[0], padding=layer.padding[0])
