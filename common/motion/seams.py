"""Seams: overlapping windows that cover any length, and how their frames become one motion."""

from collections.abc import Sequence

import torch
from torch import Tensor

Frames = tuple[Tensor, Tensor, Tensor]
"""6D rotations (T, 55, 6), expressions (T, 100), translation (T, 3)."""


def window_starts(total: int, length: int, overlap: int) -> list[int]:
    """Starts of the windows that cover `total` frames; the last one may reach past the end.

    >>> window_starts(300, 150, 15)
    [0, 135, 270]
    """
    hop = length - overlap
    return list(range(0, max(total - overlap, 1), hop))


def blended(windows: Sequence[Frames], overlap: int) -> Frames:
    """One motion out of windows that share `overlap` frames: linear cross-fade in 6D, expressions and translation.

    Translation of a window starts at zero in x and z; it is moved to where the previous window stood at the first
    shared frame.
    """
    whole = windows[0]
    for window in windows[1:]:
        whole = _append(whole, _anchored(window, whole, overlap), overlap)
    return whole


def _anchored(window: Frames, before: Frames, overlap: int) -> Frames:
    six, expressions, trans = window
    offset = before[2][-overlap] - trans[0]
    return six, expressions, trans + offset * torch.tensor([1.0, 0.0, 1.0])


def _append(before: Frames, after: Frames, overlap: int) -> Frames:
    return tuple(_crossfaded(a, b, overlap) for a, b in zip(before, after, strict=True))


def _crossfaded(a: Tensor, b: Tensor, overlap: int) -> Tensor:
    weight = torch.linspace(0, 1, overlap).reshape(-1, *[1] * (a.ndim - 1))
    shared = a[-overlap:] * (1 - weight) + b[:overlap] * weight
    return torch.cat((a[:-overlap], shared, b[overlap:]))
