"""Connectives or labelled gestures of all windows as columns, and those of one kind by window.

Legend: R rows (annotations in the order of the windows), C rows of one kind, M windows that hold them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gesturebench.common.retrieval.excerpt import Anchor
from gesturebench.common.retrieval.word_similarity import word_similarity

KEPT_WORDS = 1024
"""Query words whose similarities to all keywords are remembered."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows of one kind by window: `rows` (C,), `entries` (M,) their windows, `first` (M,) where each window's begin,
    `exact` and `folded` (C,) numbers of words as written and without case, `prominence` (C,) infinite where unknown.
    """

    rows: np.ndarray
    entries: np.ndarray
    first: np.ndarray
    exact: np.ndarray
    folded: np.ndarray
    prominence: np.ndarray

    @cached_property
    def sizes(self) -> np.ndarray:
        """(M,) rows of a window."""
        return np.diff(np.append(self.first, len(self.rows)))

    @cached_property
    def group(self) -> np.ndarray:
        """(C,) the window of a row, counted among the M."""
        return np.repeat(np.arange(len(self.first)), self.sizes)

    @cached_property
    def rated(self) -> np.ndarray:
        """(M,) rows of a window whose prominence is known, at least 1."""
        return np.maximum(np.bincount(self.group, np.isfinite(self.prominence), len(self.first)), 1.0)

    def only(self, places: np.ndarray) -> "Groups":
        """Some of the windows, in the given order."""
        sizes = self.sizes[places]
        first = np.cumsum(sizes) - sizes
        kept = np.arange(sizes.sum()) + np.repeat(self.first[places] - first, sizes)
        columns = (column[kept] for column in (self.exact, self.folded, self.prominence))
        return Groups(self.rows[kept], self.entries[places], first, *columns)

    def any(self, flags: np.ndarray) -> np.ndarray:
        """(M,) bool: windows with a row that is flagged."""
        found = np.zeros(len(self.first), bool)
        found[self.group[np.flatnonzero(flags)]] = True
        return found

    def largest(self, values: np.ndarray) -> np.ndarray:
        """(M,) each window's largest value."""
        return np.maximum.reduceat(values, self.first)

    def first_where(self, flags: np.ndarray) -> np.ndarray:
        """(M,) each window's first row that is flagged, as a place among the C, or -1."""
        places = np.where(flags, np.arange(len(flags)), len(flags))
        found = np.minimum.reduceat(places, self.first)
        return np.where(found < len(flags), found, -1)

    def first_largest(self, values: np.ndarray) -> np.ndarray:
        return self.first_where(values == self.largest(values)[self.group])

    def nearest(self, prominence: float | None) -> np.ndarray:
        """(M,) the first row with the smallest difference in prominence, -1 where none is known."""
        if prominence is None:
            return np.full(len(self.first), -1)
        gap = np.abs(self.prominence - prominence)
        return self.first_where(np.isfinite(gap) & (gap == np.minimum.reduceat(gap, self.first)[self.group]))

    def mean_nearness(self, prominence: float | None) -> np.ndarray:
        """(M,) mean of 4 / (1 + 2 |difference|) over the rows whose prominence is known, 0 without any."""
        if prominence is None:
            return np.zeros(len(self.first))
        nearness = np.abs(self.prominence - prominence)
        nearness *= 2.0
        nearness += 1.0
        np.divide(4.0, nearness, out=nearness)  # 0 where the difference is infinite
        return np.bincount(self.group, nearness, len(self.first)) / self.rated


class AnchorColumns:
    """`anchors` (R,) with `owner` (R,), their windows, and in columns their names and how prominent they are."""

    def __init__(self, anchors: Iterable[tuple[int, Anchor]]):
        """`anchors` with the number of their window, in rising order."""
        pairs = list(anchors)
        self.anchors: tuple[Anchor, ...] = tuple(anchor for _, anchor in pairs)
        self.owner = np.array([owner for owner, _ in pairs], np.int64)
        self._kinds, self._kind = interned([a.kind for a in self.anchors])
        self._words, self._exact = interned([a.word for a in self.anchors])
        self._folded_words, folded = interned([word.casefold() for word in self._words])
        self._folded = folded[self._exact] if len(folded) else folded
        unknown = float("inf")
        self._prominence = np.array([unknown if a.prominence is None else a.prominence for a in self.anchors], float)
        self._similar: dict[tuple[str, bool], np.ndarray] = {}

    @cached_property
    def _by_kind(self) -> list[Groups]:
        order = np.argsort(self._kind, kind="stable")
        parts = np.split(order, np.searchsorted(self._kind[order], np.arange(1, len(self._kinds))))
        return [self._grouped(rows) for rows in parts]

    def _grouped(self, rows: np.ndarray) -> Groups:
        owner = self.owner[rows]
        first = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
        return Groups(
            rows, owner[first], first, self._exact[rows], self._folded[rows], self._prominence[rows]
        )  # fmt: skip

    def of_kind(self, kind: str) -> Groups | None:
        """The rows of a sense or gesture type; None without any."""
        number = self._kinds.get(kind)
        return None if number is None else self._by_kind[number]

    def has_word(self, groups: Groups, word: str, *, fold_case: bool) -> np.ndarray:
        """(C,) bool: whether a row's word is this one."""
        if fold_case:
            return groups.folded == self._folded_words.get(word.casefold(), -1)
        return groups.exact == self._words.get(word, -1)

    def similarity(self, groups: Groups, word: str, *, fold_case: bool) -> np.ndarray:
        """(C,) spelling similarity of a row's word to this one, computed once for every distinct word."""
        key = (word.casefold() if fold_case else word, fold_case)
        if key not in self._similar:
            if len(self._similar) >= KEPT_WORDS:
                del self._similar[next(iter(self._similar))]
            names = self._folded_words if fold_case else self._words
            self._similar[key] = np.array([word_similarity(key[0], name) for name in names])
        return self._similar[key][groups.folded if fold_case else groups.exact]

    @property
    def nbytes(self) -> int:
        """Memory of the columns, those by kind included; the anchors themselves come on top."""
        own = (self.owner, self._kind, self._exact, self._folded, self._prominence)
        fields = ("rows", "entries", "first", "exact", "folded", "prominence", "group", "rated")
        return sum(a.nbytes for a in own) + sum(getattr(g, name).nbytes for g in self._by_kind for name in fields)


def interned(names: Sequence[str]) -> tuple[dict[str, int], np.ndarray]:
    """Distinct names with their numbers, in the order of their first appearance, and each name's number."""
    numbers: dict[str, int] = {}
    return numbers, np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int32)
