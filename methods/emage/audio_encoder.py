"""Speech encoder of EMAGE: six residual blocks of 1-D convolutions on the waveform (as in CaMN and BEAT baselines).

Legend: B batch, S samples, T steps, C channels. The total stride is 540 samples, so 64 frames of 533 samples give 64
steps and longer speech drifts against 30 frames per second: the encoder is meant for windows.
"""

from torch import Tensor, nn

KERNEL = 15


def _strided(width_in: int, width_out: int, stride: int, padding: int) -> tuple[nn.Conv1d, nn.BatchNorm1d]:
    return nn.Conv1d(width_in, width_out, KERNEL, stride, padding), nn.BatchNorm1d(width_out)


class ResidualBlock(nn.Module):
    """LeakyReLU(norm(conv(LeakyReLU(norm(conv x)))) + shortcut x); the shortcut is a projection where the length
    changes."""

    def __init__(self, width_in: int, width_out: int, *, stride: int, padding: int, projected: bool):
        super().__init__()
        self.conv1, self.bn1 = _strided(width_in, width_out, stride, padding)
        self.conv2, self.bn2 = _strided(width_out, width_out, 1, KERNEL // 2)
        self.activation = nn.LeakyReLU(0.01)
        self.downsample = nn.Sequential(*_strided(width_in, width_out, stride, padding)) if projected else None

    def forward(self, x_BCS: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.activation(self.bn1(self.conv1(x_BCS)))))
        return self.activation(y + (x_BCS if self.downsample is None else self.downsample(x_BCS)))


class AudioEncoder(nn.Module):
    """(B, S) samples at 16 kHz -> (B, T, C).

    >>> import torch
    >>> AudioEncoder(16).eval()(torch.zeros(2, 64 * 533)).shape
    torch.Size([2, 64, 16])
    """

    def __init__(self, channels: int):
        super().__init__()
        quarter, half = channels // 4, channels // 2
        self.feat_extractor = nn.Sequential(
            ResidualBlock(1, quarter, stride=5, padding=1600, projected=True),
            ResidualBlock(quarter, quarter, stride=6, padding=0, projected=True),
            ResidualBlock(quarter, quarter, stride=1, padding=7, projected=False),
            ResidualBlock(quarter, half, stride=6, padding=0, projected=True),
            ResidualBlock(half, half, stride=1, padding=7, projected=False),
            ResidualBlock(half, channels, stride=3, padding=0, projected=True),
        )

    def forward(self, samples_BS: Tensor) -> Tensor:
        return self.feat_extractor(samples_BS[:, None]).transpose(1, 2)
