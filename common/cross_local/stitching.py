"""Speech of any length through windows that continue each other: each begins with the last frames of the one before.

Legend: T frames of a window, n seed frames, F features. Windows may have leading dimensions, as long as all have the
same.
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch
from torch import Tensor

Blend = Literal["intended", "first_frame"]
"""Where two windows share frames. `intended`: the second fades in over all of them; `first_frame`: the first of them is
the mean of both, the others are the second's, as released, where a loop runs over the wrong dimension."""


@dataclass(frozen=True)
class Layout:
    """The windows of a speech of `frames` frames. Its frames follow `seed` frames from before it, with which the first
    window begins; the last window may reach past its end.

    >>> layout = Layout(frames=200, window=150, seed=30)
    >>> layout.count, layout.starts, layout.reach
    (2, (0, 120), 270)
    """

    frames: int
    window: int
    seed: int

    @property
    def count(self) -> int:
        return max(1, ceil(self.frames / (self.window - self.seed)))

    @property
    def starts(self) -> tuple[int, ...]:
        """Of each window, counted from the first frame of the seed before the speech."""
        return tuple(k * (self.window - self.seed) for k in range(self.count))

    @property
    def reach(self) -> int:
        """Frames that the windows cover, the seed before the speech included."""
        return self.starts[-1] + self.window

    def padded(self, seed_nC: Tensor, rows_TC: Tensor) -> Tensor:
        """(reach, C): what belongs to the seed, to the speech, and zeros past its end."""
        whole = torch.cat((seed_nC, rows_TC[: self.reach - self.seed]))
        return torch.cat((whole, whole.new_zeros(self.reach - len(whole), whole.shape[1])))

    def kept(self, joined_TF: Tensor) -> Tensor:
        """(frames, F) of all joined windows."""
        return joined_TF[self.seed : self.seed + self.frames]


class Stitching:
    """Windows (..., T, F) as one sequence.

    `seed` is what the next window is to begin with; `root` the features that hold where the body stands, if it is to be
    moved there: by what they jump at the first shared frame.
    """

    def __init__(self, seed_TF: Tensor, *, blend: Blend = "intended", root: slice | None = None):
        self.seed = seed_TF
        self._blend, self._root = blend, root
        self._pieces: list[Tensor] = []

    def add(self, window_TF: Tensor) -> None:
        """The next window, in order."""
        n = self.seed.shape[-2]
        if self._pieces:
            before = self._pieces.pop()
            self._pieces.append(before[..., :-n, :])
            window_TF = blended(before[..., -n:, :], self._moved(window_TF), self._blend)
        self._pieces.append(window_TF)
        self.seed = window_TF[..., -n:, :]

    def joined(self) -> Tensor:
        """Everything so far, from the first frame of the first window to the last of the last."""
        return torch.cat(self._pieces, -2)

    def _moved(self, window_TF: Tensor) -> Tensor:
        if self._root is None:
            return window_TF
        moved = window_TF.clone()
        moved[..., self._root] -= window_TF[..., :1, self._root] - self.seed[..., :1, self._root]
        return moved


def blended(before_nF: Tensor, window_TF: Tensor, blend: Blend) -> Tensor:
    """`window` whose first frames are mixed with `before`: of n shared frames the j-th, counted from 0, is
    (n - j) / (n + 1) of the first and (j + 1) / (n + 1) of the second.

    >>> blended(torch.zeros(2, 1), torch.full((4, 1), 3.0), "intended")[:, 0].tolist()
    [1.0, 2.0, 3.0, 3.0]
    >>> blended(torch.zeros(2, 1), torch.full((4, 1), 3.0), "first_frame")[:, 0].tolist()
    [1.5, 3.0, 3.0, 3.0]
    """
    n = before_nF.shape[-2] if blend == "intended" else 1
    share = torch.arange(1, n + 1, device=window_TF.device) / (n + 1)
    mixed = torch.lerp(before_nF[..., :n, :], window_TF[..., :n, :], share[:, None].to(window_TF))
    return torch.cat((mixed, window_TF[..., n:, :]), -2)
