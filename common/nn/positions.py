"""Sinusoidal tables: positions in a sequence and diffusion timesteps."""

import math

import torch
from torch import Tensor, nn


def sinusoid(length: int, dim: int, positions: Tensor | None = None) -> Tensor:
    """(length, dim): sin on even, cos on odd channels, frequency exp(-2i ln(10000) / dim) (Vaswani et al. 2017, sec.
    3.5).
    """
    position = torch.arange(length) if positions is None else positions
    frequency = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
    angle = position.float()[:, None] * frequency
    table = torch.zeros(len(position), dim)
    table[:, 0::2], table[:, 1::2] = torch.sin(angle), torch.cos(angle)[:, : dim // 2]
    return table


def timestep_embedding(t_B: Tensor, dim: int) -> Tensor:
    """(B,) -> (B, dim): cosines first, then sines, frequencies exp(-ln(10000) i / (dim/2)) (Dhariwal & Nichol 2021); an
    odd dim ends with a zero."""
    half = dim // 2
    frequency = torch.exp(-math.log(10_000.0) * torch.arange(half, device=t_B.device) / half)
    angle = t_B.float()[:, None] * frequency
    return nn.functional.pad(torch.cat((torch.cos(angle), torch.sin(angle)), -1), (0, dim % 2))


class PositionTable(nn.Module):
    """A table `pe` (length, 1, D) that is added to a sequence; fixed sinusoids, or learned."""

    def __init__(self, length: int, dim: int, *, learned: bool = False):
        super().__init__()
        if learned:
            self.pe = nn.Parameter(torch.rand(length, 1, dim))
        else:
            self.register_buffer("pe", sinusoid(length, dim)[:, None])

    def forward(self, x_BTD: Tensor) -> Tensor:
        return x_BTD + self.pe[: x_BTD.shape[1], 0]


class PeriodicPositions(nn.Module):
    """Adds sinusoids that repeat after `period` rows, for two periods, then dropout; the table is the buffer `pe` (1, 2
    period, D)."""

    def __init__(self, period: int, width: int, dropout: float = 0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pe", sinusoid(period, width).repeat(2, 1)[None])

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.dropout(x_BTD + self.pe[:, : x_BTD.shape[1]])
