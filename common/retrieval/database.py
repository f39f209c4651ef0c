"""A database of training windows with the annotations that lie inside each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gesturebench.common.corpus.clip import Relation, Speech, TruthEvent
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window, laid_out
from gesturebench.common.errors import InputError
from gesturebench.common.features.words import word_vector
from gesturebench.common.retrieval.prominence import prominence_of

STORE_FPS = 30


@dataclass(frozen=True, eq=False)
class Excerpt:
    """The annotations of a window, in seconds from its start.

    `relations` whose connective lies inside, `prominence` one value or None per relation, `text` (n words, D) word
    vectors, `events` what the stand-in's gestures really are (empty unless an oracle asked for them).
    """

    window: Window
    speaker: int
    relations: tuple[Relation, ...]
    prominence: tuple[float | None, ...]
    text: np.ndarray
    events: tuple[TruthEvent, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.window.length / STORE_FPS


def excerpt(speech: Speech, window: Window) -> Excerpt:
    """What is annotated inside a window of a speech."""
    start, end = window.start / STORE_FPS, (window.start + window.length) / STORE_FPS
    relations = tuple(
        replace(
            r,
            start_s=max(r.start_s, start) - start,
            end_s=min(r.end_s, end) - start,
            connective_start_s=r.connective_start_s - start,
            connective_end_s=r.connective_end_s - start,
        )
        for r in speech.relations
        if r.connective_start_s >= start and r.connective_end_s <= end
    )
    rows = [row for row in speech.prominence if row.start_s >= start and row.end_s <= end]
    words = [word_vector(word.text) for word in speech.words if word.start_s >= start and word.end_s <= end]
    events = tuple(
        replace(
            e,
            **{
                name: getattr(e, name) - start
                for name in ("word_start_s", "word_end_s", "prep_s", "stroke_s", "end_s", "hold_s")
            },
        )
        for e in speech.oracle
        if e.stroke_s >= start and e.end_s <= end
    )
    prominence = tuple(prominence_of([r.connective for r in relations], rows))
    text = np.stack(words) if words else np.zeros((0, 1), np.float32)
    return Excerpt(window, speech.speaker, relations, prominence, text, events)


class Database:
    """All windows of a split at a stride, as excerpts."""

    def __init__(self, store: ClipStore, split: str, *, length: int, stride: int, oracle: bool = False):
        """`length` and `stride` in 30 fps frames; `oracle` also reads what the gestures really are."""
        windows = laid_out(store, split, length, stride)
        if not windows:
            raise InputError(
                f"split {split!r}: no clip is {length / STORE_FPS:.1f} s long, the retrieval database would be empty"
            )
        speeches = {clip: store.speech(clip, oracle=oracle) for clip in store.split(split)}
        self.entries: Sequence[Excerpt] = [excerpt(speeches[w.clip_id], w) for w in windows]

    def __len__(self) -> int:
        return len(self.entries)
