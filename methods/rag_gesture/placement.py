"""From a hit in seconds to latent slots: which slots of the retrieved window go to which slots of the test window."""

from collections.abc import Sequence
from dataclasses import dataclass

from gesturebench.common.corpus.windows import Window
from gesturebench.methods.rag_gesture.strategies import Hit


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


@dataclass(frozen=True)
class Placement:
    """Slots `source` of the retrieved window, copied to slots `target` of the test window; both (start, stop), equally
    long.
    """

    window: Window
    source: tuple[int, int]
    target: tuple[int, int]


def place(hits: Sequence[Hit], grid: Grid, pad_before_s: float, pad_after_s: float) -> list[Placement]:
    """Placements in query order, without overlap: what does not fit any more is moved, shortened or dropped."""
    placements: list[Placement] = []
    for hit in hits:
        source = _source_slots(hit, grid, pad_before_s, pad_after_s)
        if hit.query[0] > hit.query[1] or source is None:
            continue
        target = _centred(grid, hit.query, source[1] - source[0])
        if placements and target[0] < placements[-1].target[1]:
            start = placements[-1].target[1]
            target = (start, min(start + target[1] - target[0], grid.slots))
        length = target[1] - target[0]
        if length > 0:
            placements.append(Placement(hit.window, (source[0], source[0] + length), target))
    return placements


def _source_slots(hit: Hit, grid: Grid, pad_before_s: float, pad_after_s: float) -> tuple[int, int] | None:
    start, end = grid.frame(hit.source[0] - pad_before_s), grid.frame(hit.source[1] + pad_after_s)
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
