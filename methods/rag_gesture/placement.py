"""From a hit in seconds to latent slots: which slots of the retrieved window go to which slots of the test window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gesturebench.common.corpus.windows import Window
from gesturebench.methods.rag_gesture.hits import Hit

LONG_S = 0.9
LONG_PADS = (0.2, 0.1)
"""A labelled gesture longer than this holds its own preparation and retraction: seconds added before and after it."""

Dropped = Literal["reversed", "empty", "no room"]
"""Why a hit is not placed: the asked moment ends before it starts; nothing is left of the retrieved span inside its
window; earlier gestures reach to the window's end."""


@dataclass(frozen=True)
class Grid:
    """Frames of a window, frames per second, frames per slot."""

    frames: int
    fps: int
    chunk: int

    @property
    def slots(self) -> int:
        return self.frames // self.chunk

    def frame(self, seconds: float) -> int:
        return int(min(max(seconds, 0.0), self.frames / self.fps) * self.fps)

    def seconds(self, slots: tuple[int, int]) -> tuple[float, float]:
        return slots[0] * self.chunk / self.fps, slots[1] * self.chunk / self.fps


@dataclass(frozen=True)
class Placement:
    """Slots `source` of the retrieved window, copied to slots `target` of the test window; both (start, stop), equally
    long.
    """

    window: Window
    source: tuple[int, int]
    target: tuple[int, int]


@dataclass(frozen=True)
class Placed:
    """What became of a hit: a placement or why there is none; `wished` are the slots it would have had alone."""

    placement: Placement | None
    dropped: Dropped | None = None
    wished: tuple[int, int] | None = None

    @property
    def moved(self) -> bool:
        return self.placement is not None and self.placement.target != self.wished


def place(hits: Sequence[Hit], grid: Grid, pad_before_s: float, pad_after_s: float) -> list[Placement]:
    """Placements in query order, without overlap: what does not fit any more is moved, shortened or dropped."""
    return [p.placement for p in placed(hits, grid, pad_before_s, pad_after_s) if p.placement]


def placed(hits: Sequence[Hit], grid: Grid, pad_before_s: float, pad_after_s: float) -> list[Placed]:
    """What becomes of every hit; `place` is what remains of it."""
    found: list[Placed] = []
    taken = 0
    for hit in hits:
        source = source_slots(hit, grid, pad_before_s, pad_after_s)
        if hit.query[0] > hit.query[1] or source is None:
            found.append(Placed(None, "reversed" if hit.query[0] > hit.query[1] else "empty"))
            continue
        wished = _centred(grid, hit.query, source[1] - source[0])
        start = max(wished[0], taken)
        target = (start, min(start + source[1] - source[0], grid.slots))
        length = target[1] - target[0]
        if length > 0:
            found.append(Placed(Placement(hit.window, (source[0], source[0] + length), target), None, wished))
            taken = target[1]
        else:
            found.append(Placed(None, "no room", wished))
    return found


def source_slots(hit: Hit, grid: Grid, pad_before_s: float, pad_after_s: float) -> tuple[int, int] | None:
    """Slots of the retrieved span with some motion before and after it; None if the span is empty."""
    long = hit.labelled and hit.source[1] - hit.source[0] > LONG_S
    before, after = LONG_PADS if long else (pad_before_s, pad_after_s)
    start, end = grid.frame(hit.source[0] - before), grid.frame(hit.source[1] + after)
    if start == end:
        return None
    if end == grid.frames:
        start, end = max(start - 1, 0), end - 1
    return start // grid.chunk, end // grid.chunk + 1


def _centred(grid: Grid, query: tuple[float, float], n: int) -> tuple[int, int]:
    """`n` slots around the slot of the query's middle, shifted to stay inside the window."""
    middle = (grid.frame(query[0]) + grid.frame(query[1])) // 2 // grid.chunk
    start = middle if n <= 2 else middle - n // 2 - n % 2
    start = max(start, 0)
    return (start, start + n) if start + n <= grid.slots else (grid.slots - n, grid.slots)
