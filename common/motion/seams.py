"""Seams: overlapping windows that cover any length, and how their frames become one motion."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Frames = tuple[Tensor, Tensor, Tensor]
"""6D rotations (T, 55, 6), expressions (T, 100), translation (T, 3)."""

Shared = Literal["first", "second", "faded"]
"""Frames that two windows share are those of the first, those of the second, or fade from one to the other."""


def window_starts(total: int, length: int, overlap: int) -> list[int]:
    """Starts of the windows that cover `total` frames; the last one may reach past the end.

    >>> window_starts(300, 150, 15)
    [0, 135, 270]
    """
    hop = length - overlap
    return list(range(0, max(total - overlap, 1), hop))


class Joined:
    """One motion out of windows that share `overlap` frames, window by window: linear cross-fade in 6D, expressions and
    translation. It holds the frames that the next window still changes, and no others.

    Translation of a window starts at zero in x and z. `anchored` moves it to where the previous window stood at the
    first shared frame; else it fades back to zero, as released.
    """

    def __init__(self, overlap: int, *, anchored: bool = True):
        self._overlap, self._anchored = overlap, anchored
        self._waiting: Frames | None = None

    def add(self, window: Frames) -> Frames:
        """The frames that are final with this window: all before the ones it shares with the next."""
        if self._waiting is not None:
            moved = _moved(window, self._waiting) if self._anchored else window
            window = tuple(_crossfaded(a, b) for a, b in zip(self._waiting, moved, strict=True))
        self._waiting = tuple(part[-self._overlap :].clone() for part in window)
        return tuple(part[: -self._overlap] for part in window)

    def rest(self) -> Frames:
        """The frames after those, when no window follows."""
        return self._waiting


def blended(windows: Sequence[Frames], overlap: int) -> Frames:
    """All frames of `Joined`, anchored."""
    joined = Joined(overlap)
    pieces = [*map(joined.add, windows), joined.rest()]
    return tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))


def _moved(window: Frames, waiting: Frames) -> Frames:
    six, expressions, trans = window
    offset = waiting[2][0] - trans[0]
    return six, expressions, trans + offset * torch.tensor([1.0, 0.0, 1.0])


def _crossfaded(waiting: Tensor, window: Tensor) -> Tensor:
    """`window`, whose first frames fade in over those that wait."""
    overlap = len(waiting)
    weight = torch.linspace(0, 1, overlap).reshape(-1, *[1] * (window.ndim - 1))
    return torch.cat((waiting * (1 - weight) + window[:overlap] * weight, window[overlap:]))


def joined_windows(windows: Sequence[Tensor] | Tensor, overlap: int, shared: Shared) -> Tensor:
    """Windows (T, C), each of which begins with the last `overlap` frames of the one before, as one sequence (N, C).

    No window but the last is shorter than two overlaps, and that not than one. Of n shared frames the k-th is faded by
    k / (n + 1).

    >>> joined_windows(torch.tensor([[0.0, 0, 0, 0], [9, 9, 9, 9]])[..., None], 2, "faded")[:, 0].tolist()
    [0.0, 0.0, 3.0, 6.0, 9.0, 9.0]
    """
    pieces = [windows[0]]
    for window in windows[1:]:
        before = pieces.pop()
        pieces += [before[:-overlap], _shared(before[-overlap:], window[:overlap], shared), window[overlap:]]
    return torch.cat(pieces)


def _shared(first_NC: Tensor, second_NC: Tensor, shared: Shared) -> Tensor:
    if shared != "faded":
        return first_NC if shared == "first" else second_NC
    frames = len(first_NC)
    weight = torch.arange(1, frames + 1, device=first_NC.device) / (frames + 1)
    return torch.lerp(first_NC, second_NC, weight[:, None])
