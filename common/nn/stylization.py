"""Stylization block: the diffusion time scales and shifts a normalised feature (MotionDiffuse, Zhang et al. 2022, sec.
3.3).
"""

import torch
from torch import Tensor, nn


class Stylization(nn.Module):
    """out = Linear(Dropout(SiLU(LayerNorm(h) (1 + scale) + shift))), (scale, shift) = Linear(SiLU(emb)); the last
    linear starts at zero.
    """

    def __init__(self, width: int, time_width: int, dropout: float = 0.0):
        super().__init__()
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_width, 2 * width))
        self.norm = nn.LayerNorm(width)
        self.out_layers = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width))
        nn.init.zeros_(self.out_layers[2].weight)
        nn.init.zeros_(self.out_layers[2].bias)

    def forward(self, h_BTD: Tensor, emb_BE: Tensor) -> Tensor:
        return self.apply_scale(h_BTD, self.scale_shift(emb_BE))

    def scale_shift(self, emb_BE: Tensor) -> Tensor:
        """(B, 2D): depends on the timestep alone, so a sampler tabulates it once."""
        return self.emb_layers(emb_BE)

    def apply_scale(self, h_BTD: Tensor, scale_shift_B2D: Tensor) -> Tensor:
        scale, shift = scale_shift_B2D[:, None].chunk(2, -1)
        return self.out_layers(torch.addcmul(shift, self.norm(h_BTD), 1 + scale))
