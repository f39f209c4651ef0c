"""Rotary positions (Su et al. 2021): channels turn by angles that grow with the position."""

import torch
from torch import Tensor

BASE = 10_000.0


def inverse_frequencies(dim: int, device: torch.device | None = None) -> Tensor:
    """(d / 2,): 10000^(-2i / d)."""
    return 1.0 / BASE ** (torch.arange(0, dim, 2, device=device).float() / dim)


def angles(length: int, dim: int, device: torch.device | None = None) -> Tensor:
    """(T, d) radians: position times frequency, the d / 2 frequencies twice in a row."""
    positions = torch.arange(length, device=device).float()
    return torch.outer(positions, inverse_frequencies(dim, device)).repeat(1, 2)


def rotated(x_Td: Tensor, angles_Td: Tensor) -> Tensor:
    """(..., T, d): channel i of the first half and channel i of the second are a point that turns by the i-th angle.

    >>> import math
    >>> rotated(torch.tensor([[1.0, 0.0]]), torch.full((1, 2), math.pi / 2)).round().tolist()
    [[-0.0, 1.0]]
    """
    first, second = x_Td.chunk(2, -1)
    return x_Td * angles_Td.cos() + torch.cat((-second, first), -1) * angles_Td.sin()


def rotated_heads(x_BTD: Tensor, heads: int) -> Tensor:
    """(B, T, D): each head of D / H channels by itself, all by the same angles."""
    x_BHTd = x_BTD.unflatten(-1, (heads, -1)).transpose(1, 2)
    turned = rotated(x_BHTd, angles(x_BHTd.shape[-2], x_BHTd.shape[-1], x_BTD.device).to(x_BTD.dtype))
    return turned.transpose(1, 2).flatten(2)
