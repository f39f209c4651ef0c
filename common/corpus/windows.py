"""Windows: fixed-length cuts of clips, drawn at random for training or laid out in a row for a database."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError


@dataclass(frozen=True, slots=True)
class Window:
    """`length` frames of a clip from frame `start`, both at the store's 30 fps."""

    clip_id: str
    start: int
    length: int


class RandomWindows:
    """Draws windows of `length` frames uniformly from all that start at a multiple of `step` and fit into a clip."""

    def __init__(self, store: ClipStore, split: str, length: int, step: int = 1):
        self.length, self.step = length, step
        self._ids = [clip for clip in store.split(split) if store.n_frames(clip) >= length]
        if not self._ids:
            raise InputError(
                f"split {split!r}: no clip has {length} frames ({length / 30:.1f} s)",
                remedy="use longer clips or a smaller window",
            )
        self._ends = list(accumulate((store.n_frames(clip) - length) // step + 1 for clip in self._ids))

    def draw(self, count: int, generator: torch.Generator) -> list[Window]:
        places = torch.randint(self._ends[-1], (count,), generator=generator).tolist()
        return [self._at(place) for place in places]

    def _at(self, place: int) -> Window:
        index = bisect_right(self._ends, place)
        first = self._ends[index - 1] if index else 0
        return Window(self._ids[index], (place - first) * self.step, self.length)


class ListedWindows:
    """Draws uniformly from a list of windows."""

    def __init__(self, windows: Sequence[Window]):
        self.windows = tuple(windows)

    def draw(self, count: int, generator: torch.Generator) -> list[Window]:
        places = torch.randint(len(self.windows), (count,), generator=generator).tolist()
        return [self.windows[place] for place in places]


def laid_out(store: ClipStore, split: str, length: int, stride: int) -> list[Window]:
    """All windows at multiples of `stride` that fit, clip after clip."""
    return [
        Window(clip, start, length)
        for clip in store.split(split)
        for start in range(0, store.n_frames(clip) - length + 1, stride)
    ]
