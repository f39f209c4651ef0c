"""Speech encoder of EMAGE: six residual blocks of 1-D convolutions on the waveform (as in CaMN and BEAT baselines).

Legend: B batch, S samples, T steps, C channels. The total stride is 540 samples, so 64 frames of 533 samples give 64
steps and longer speech drifts against 30 frames per second: the encoder is meant for windows.
"""

from torch import Tensor, nn

from gesturebench.common.nn.wave_blocks import FoldedBlock, speech_blocks


class AudioEncoder(nn.Module):
    """(B, S) samples at 16 kHz -> (B, T, C).

    >>> import torch
    >>> AudioEncoder(16).eval()(torch.zeros(2, 64 * 533)).shape
    torch.Size([2, 64, 16])
    """

    def __init__(self, channels: int):
        super().__init__()
        self.feat_extractor = speech_blocks(1, channels)

    def forward(self, samples_BS: Tensor) -> Tensor:
        return self.feat_extractor(samples_BS[:, None]).transpose(1, 2)

    def fold(self) -> None:
        """Make norms part of the convolutions: the same function at inference, and no longer to be trained or saved."""
        self.feat_extractor = nn.Sequential(*map(FoldedBlock, self.feat_extractor)).eval().requires_grad_(False)
