"""Read access to a motion base. Legend: n entries, T frames of the longest, A audio features, M motion features."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.files import read_json
from gesturebench.methods.exges.retrieval.entries import AUDIO, MOTION, REPORT, STATISTICS, Entries


class MotionBase:
    """Segments of the training split; sound and motion are memory-mapped."""

    def __init__(self, folder: Path):
        self._folder, self.entries = Path(folder), Entries.load(Path(folder))

    def __len__(self) -> int:
        return len(self.entries)

    def audio(self, entry: int) -> np.ndarray:
        """(T, A) of one entry, float16."""
        return self._rows[AUDIO][self._span(entry)]

    def motion(self, entry: int) -> np.ndarray:
        """(T, M) of one entry."""
        return self._rows[MOTION][self._span(entry)]

    @cached_property
    def statistics(self) -> dict[str, np.ndarray]:
        """`audio_mean`, `audio_std` (A,), `motion_mean`, `motion_std` (M,) over the frames of all entries."""
        with np.load(self._folder / STATISTICS) as arrays:
            return dict(arrays)

    def report(self) -> dict[str, Any]:
        return read_json(self._folder / REPORT)

    def _span(self, entry: int) -> slice:
        return slice(int(self.entries.rows[entry]), int(self.entries.rows[entry + 1]))

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        return {name: np.load(self._folder / name, mmap_mode="r").view(np.ndarray) for name in (AUDIO, MOTION)}


def padded(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(n, T, D) float32 with zeros behind the end of each, and the lengths (n,).

    >>> padded([np.ones((1, 2)), np.ones((3, 2))])[1].tolist()
    [1, 3]
    """
    lengths = np.array([len(part) for part in parts], np.int64)
    rows = np.zeros((len(parts), lengths.max(initial=1), parts[0].shape[1] if parts else 1), np.float32)
    for row, part in zip(rows, parts):
        row[: len(part)] = part
    return rows, lengths
