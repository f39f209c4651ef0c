"""Encoded windows on the disk: what training reads, made once for all that train on the same windows.

Layout of the folder (N windows, clip after clip; M tokens and V words of all windows; P rows of audio, D widths):
granularity `window`: audio.npy (N, P, D), text.npy (M, D), text.npz with `tokens` (N + 1,) and `words` (N + 1,) where
those of a window begin, `owners` (M,) the word of each token, `spans` (V, 2) the frames at 15 fps that a word holds.
granularity `clip`: audio.npy and text.npy hold the rows of whole clips. index.json comes last: a folder that has it is
whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.features.text_encoder import word_means
from gesturebench.common.features.window_config import FPS, RATE, WindowEncoding
from gesturebench.common.features.window_encoder import cut_rows, rows_at
from gesturebench.common.files import read_json

INDEX, AUDIO, TEXT, TEXT_INDEX = "index.json", "audio.npy", "text.npy", "text.npz"
STEP = RATE // FPS
"""Frames of 30 fps per row of text."""


@dataclass(frozen=True)
class Place:
    """Of a clip: number of its first window and where they start, first row and number of rows of its audio and text
    (granularity `clip`)."""

    clip_id: str
    first: int
    starts: tuple[int, ...]
    audio: tuple[int, int] = (0, 0)
    text: tuple[int, int] = (0, 0)


class PreparedWindows:
    """Read access to prepared windows; arrays are memory-mapped, so nothing is read before it is asked for."""

    def __init__(self, folder: Path):
        if not (folder / INDEX).exists():
            raise InputError(f"{folder}: no prepared windows ({INDEX} is missing)", remedy="make them again")
        index = read_json(folder / INDEX)
        self.folder, self.length = folder, int(index["length"])
        self.encoding = WindowEncoding.parse(index["encoding"], "encoding")
        self.grid: tuple[int, int] = tuple(index["grid"])
        self.places = {place.clip_id: place for place in (Place(*_tuples(row)) for row in index["places"])}
        self._left_out = {Window(*row) for row in index["left_out"]}

    def __contains__(self, window: Window) -> bool:
        if self.encoding.granularity == "clip":
            return window.clip_id in self.places
        return window not in self._left_out and self._number(window) is not None

    def windows(self) -> Iterator[Window]:
        """All that there are, clip after clip."""
        for place in self.places.values():
            for start in place.starts:
                window = Window(place.clip_id, start, self.length)
                if window not in self._left_out:
                    yield window

    def text(self, window: Window) -> np.ndarray:
        """(T, D) float32 at 15 fps."""
        rows = np.zeros((window.length // STEP, self._text.shape[-1]), np.float32)
        if self.encoding.granularity == "clip":
            first, count = self.places[window.clip_id].text
            return _float(cut_rows(self._text[first : first + count], window.start // STEP, len(rows)))
        tokens, owners, spans = self._tokens_of(window)
        for (start, stop), vector in zip(spans, word_means(tokens, owners, len(spans))):
            rows[start:stop] = vector
        return rows

    def tokens(self, window: Window) -> np.ndarray:
        """(N, D) float32: the sentence of a window, special tokens included (granularity `window`)."""
        return self._tokens_of(window)[0]

    def audio(self, window: Window) -> np.ndarray:
        """(P, D) float32, the encoder's own rows."""
        if self.encoding.granularity == "window":
            return _float(self._audio[self._number(window)])
        first, count = self.places[window.clip_id].audio
        return _float(cut_rows(self._audio[first : first + count], *rows_at(window, *self.grid)))

    def _tokens_of(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number = self._number(window)
        (first, stop), (word, last) = (self._index[name][number : number + 2] for name in ("tokens", "words"))
        return _float(self._text[first:stop]), self._index["owners"][first:stop], self._index["spans"][word:last]

    def _number(self, window: Window) -> int | None:
        place = self.places.get(window.clip_id)
        if place is None or window.length != self.length or not place.starts:
            return None
        step = place.starts[1] - place.starts[0] if len(place.starts) > 1 else 1
        number, rest = divmod(window.start - place.starts[0], step)
        return place.first + number if rest == 0 and 0 <= number < len(place.starts) else None

    @cached_property
    def _audio(self) -> np.ndarray:
        return np.load(self.folder / AUDIO, mmap_mode="r").view(np.ndarray)

    @cached_property
    def _text(self) -> np.ndarray:
        return np.load(self.folder / TEXT, mmap_mode="r").view(np.ndarray)

    @cached_property
    def _index(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / TEXT_INDEX) as arrays:
            return dict(arrays)


def _float(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows, np.float32)


def _tuples(row: Sequence[Any]) -> list[Any]:
    return [tuple(value) if isinstance(value, list) else value for value in row]
