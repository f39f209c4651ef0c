"""A database of training windows, as columns. Legend: N windows, M of them."""

from collections.abc import Iterable
from itertools import groupby

import numpy as np

from gesturebench.common.corpus.clip import TruthEvent
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window, laid_out
from gesturebench.common.errors import InputError
from gesturebench.common.retrieval.anchors import AnchorColumns
from gesturebench.common.retrieval.excerpt import AS_USUAL, STORE_FPS, Anchor, Excerpt, Reading, excerpt, excerpts
from gesturebench.common.retrieval.text import TokenColumns, Tokens

__all__ = ["STORE_FPS", "Anchor", "Database", "Excerpt", "Reading", "excerpt", "read_database"]


class Database:
    """Windows that can be retrieved, in an order that decides between equals.

    `windows` (N,), `speaker` (N,); `connectives`, `gestures` (beats are left out) and `text` in columns; `events` by
    window, if they were read.
    """

    def __init__(self, entries: Iterable[Excerpt]):
        """Takes the entries one by one and keeps none of them."""
        windows, speakers, texts, tokens = [], [], [], Tokens()
        connectives: list[tuple[int, Anchor]] = []
        gestures: list[tuple[int, Anchor]] = []
        self.events: dict[int, tuple[TruthEvent, ...]] = {}
        for number, entry in enumerate(entries):
            windows.append(entry.window)
            speakers.append(entry.speaker)
            texts.append(tokens.numbers(entry.text))
            connectives += [(number, anchor) for anchor in entry.connectives()]
            gestures += [(number, anchor) for anchor in entry.gestures()]
            if entry.events:
                self.events[number] = entry.events
        self.windows: tuple[Window, ...] = tuple(windows)
        self.speaker = np.array(speakers, np.int32)
        self.connectives, self.gestures = AnchorColumns(connectives), AnchorColumns(gestures)
        self.text = TokenColumns(tokens, texts)
        self._of_clip: dict[str, list[int]] = {}
        for number, window in enumerate(windows):
            self._of_clip.setdefault(window.clip_id, []).append(number)

    def __len__(self) -> int:
        return len(self.windows)

    def own(self, window: Window, *, whole_clip: bool) -> list[int]:
        """The entries of the window's clip, or of them only the one that is this window."""
        same = self._of_clip.get(window.clip_id, [])
        return same if whole_clip else [number for number in same if self.windows[number] == window]

    def duration_s(self, entry: int) -> float:
        return self.windows[entry].length / STORE_FPS


def read_database(
    store: ClipStore, split: str, *, length: int, stride: int, oracle: bool = False, reading: Reading = AS_USUAL
) -> Database:
    """All windows of a split: `length` and `stride` in 30 fps frames; `oracle` also reads what the gestures are."""
    windows = laid_out(store, split, length, stride)
    if not windows:
        raise InputError(
            f"split {split!r}: no clip is {length / STORE_FPS:.1f} s long, the retrieval database would be empty"
        )
    clips = groupby(windows, key=lambda window: window.clip_id)  # one after another: their sound is large
    read = (excerpts(store.speech(clip, oracle=oracle), list(part), reading) for clip, part in clips)
    return Database(entry for entries in read for entry in entries)
