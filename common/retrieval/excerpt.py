"""What is annotated inside a window of a speech."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gesturebench.common.corpus.clip import ProminentWord, Relation, Speech, TruthEvent, Word
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.text_rows import text_rows
from gesturebench.common.features.window_config import TextSource
from gesturebench.common.features.window_text import spoken, window_words
from gesturebench.common.retrieval.labels import Label, labels_of
from gesturebench.common.retrieval.prominence import prominence_of

STORE_FPS = 30

Texts = Callable[[Speech, Sequence[Window]], list[np.ndarray]]
"""Windows of a speech -> (n, D) float32 token features of each."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Something at a moment of a window that can be asked for and found: a connective with its sense, or a word with
    the kind of its gesture; times in seconds from the window's start."""

    word: str
    kind: str
    start_s: float
    end_s: float
    prominence: float | None = None

    def __str__(self) -> str:
        return f"{self.word} ({self.kind})"


@dataclass(frozen=True, eq=False)
class Excerpt:
    """The annotations of a window, in seconds from its start.

    `relations` whose connective lies inside, `prominence` one value or None per relation, `text` (n, D) token features,
    `events` what the stand-in's gestures really are (empty unless an oracle asked for them), `labels` annotated
    gestures with one prominence or None each in `label_prominence`, `words` what is said, `prominent` how it was rated.
    """

    window: Window
    speaker: int
    relations: tuple[Relation, ...]
    prominence: tuple[float | None, ...]
    text: np.ndarray
    events: tuple[TruthEvent, ...] = ()
    labels: tuple[Label, ...] = ()
    label_prominence: tuple[float | None, ...] = ()
    words: tuple[Word, ...] = ()
    prominent: tuple[ProminentWord, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.window.length / STORE_FPS

    def connectives(self) -> Iterator[Anchor]:
        for r, prominence in zip(self.relations, self.prominence, strict=True):
            yield Anchor(r.connective, r.sense, r.connective_start_s, r.connective_end_s, prominence)

    def gestures(self) -> Iterator[Anchor]:
        """The labels that mean something: all but beats."""
        for label, prominence in zip(self.labels, self.label_prominence, strict=True):
            if label.kind != "beat":
                yield Anchor(label.word, label.kind, label.start_s, label.end_s, prominence)


@dataclass(frozen=True)
class Reading:
    """How annotations are read: whether the words of prominence rows match whatever their case, which words are said,
    and what makes token features of windows."""

    fold_case: bool = True
    source: TextSource = "words"
    texts: Texts = text_rows


AS_USUAL = Reading()


def excerpts(speech: Speech, windows: Sequence[Window], reading: Reading = AS_USUAL) -> Iterator[Excerpt]:
    """`excerpt` of several windows of a speech, whose texts are read together."""
    for window, text in zip(windows, reading.texts(speech, windows), strict=True):
        yield _excerpt(speech, window, reading, text)


def excerpt(speech: Speech, window: Window, reading: Reading = AS_USUAL) -> Excerpt:
    """What of a speech lies inside a window as a whole; relations are cut to it."""
    return next(excerpts(speech, [window], reading))


def _excerpt(speech: Speech, window: Window, reading: Reading, text: np.ndarray) -> Excerpt:
    start, end = window.start / STORE_FPS, (window.start + window.length) / STORE_FPS
    relations = tuple(
        replace(_moved(r, start), start_s=max(r.start_s, start) - start, end_s=min(r.end_s, end) - start)
        for r in _inside(speech.relations, start, end, "connective_start_s", "connective_end_s")
    )
    rows = tuple(_moved(row, start) for row in _inside(speech.prominence, start, end))
    words = window_words(spoken(speech, reading.source), start, end)
    labels = tuple(_moved(label, start) for label in _inside(labels_of(speech.labels, speech.duration_s), start, end))
    events = tuple(_moved(event, start) for event in _inside(speech.oracle, start, end, "stroke_s", "end_s"))
    return Excerpt(
        window,
        speech.speaker,
        relations,
        tuple(prominence_of([r.connective for r in relations], rows, fold_case=reading.fold_case)),
        text,
        events,
        labels,
        tuple(prominence_of([label.word for label in labels], rows, fold_case=reading.fold_case)),
        words,
        rows,
    )


def _inside(records: Sequence, start: float, end: float, first: str = "start_s", last: str = "end_s") -> list:
    return [r for r in records if getattr(r, first) >= start and getattr(r, last) <= end]


def _moved(record, start: float):
    """A copy with all its times counted from `start`."""
    times = [name for name in record.__dataclass_fields__ if name.endswith("_s")]
    return replace(record, **{name: getattr(record, name) - start for name in times})
