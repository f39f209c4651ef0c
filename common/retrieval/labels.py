"""Gesture labels as retrieval sees them: four kinds, told by the name of the annotation's row."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, get_args

from gesturebench.common.corpus.clip import GestureLabel

Kind = Literal["beat", "deictic", "iconic", "metaphoric"]
"""Beats keep time with the speech and mean nothing; the other kinds are looked for."""

RATE = 15
"""Frames per second by which a label is told to exist (rag-gesture, 2.9)."""


@dataclass(frozen=True, slots=True)
class Label:
    """A labelled gesture; `word` is the annotator's keyword, empty for most beats."""

    kind: Kind
    start_s: float
    end_s: float
    word: str


def kind_of(name: str) -> Kind | None:
    """The kind in a row's name, None for names such as `nogesture` and `habit`.

    >>> kind_of("06_iconic_m"), kind_of("00_nogesture")
    ('iconic', None)
    """
    return next((kind for kind in get_args(Kind) if kind in name), None)


def labels_of(rows: Sequence[GestureLabel], duration_s: float) -> list[Label]:
    """The labels of a clip in the order of the file, cut to the clip; one that no frame time k / 15 s meets is none."""
    found = []
    for row in rows:
        kind, start, end = kind_of(row.name), max(row.start_s, 0.0), min(row.end_s, duration_s)
        if kind and ceil(start * RATE) <= end * RATE:
            found.append(Label(kind, start, end, row.word.strip()))
    return found
