"""From scores to a ranked list: best score first, text similarity between equal ones, then the database's order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gesturebench.common.retrieval.text import TokenColumns


@dataclass(frozen=True, eq=False)
class Scored:
    """M windows that can be retrieved: `entries` (M,) rising, `terms` (M,) or a number each, which add up in their
    order to the score, `best` which row each of some places among the M is matched at."""

    entries: np.ndarray
    terms: Mapping[str, np.ndarray | float]
    best: Callable[[np.ndarray], np.ndarray]

    @property
    def score(self) -> np.ndarray:
        total = np.zeros(len(self.entries))
        for term in self.terms.values():
            total += term
        return total


@dataclass(frozen=True)
class Match:
    """A place in a ranked list: window and row of the database, the score and its terms, the text similarity."""

    entry: int
    row: int
    score: float
    terms: dict[str, float]
    text: float


def ranked(scored: Scored, q: np.ndarray, text: TokenColumns, keep: int, banned: Sequence[int] = ()) -> list[Match]:
    """The first `keep` matches for a query with token features `q` (n, D), without the `banned` entries."""
    score = scored.score
    if banned:
        score[np.isin(scored.entries, banned)] = -np.inf
    inside = largest(score, keep)
    similar = text.similarity(q, scored.entries[inside])
    order = np.lexsort((-similar, -score[inside]))[:keep]
    places = inside[order]
    if not len(places):
        return []
    terms = ([t] * len(places) if isinstance(t, float) else t[places].tolist() for t in scored.terms.values())
    named = [dict(zip(scored.terms, values)) for values in zip(*terms)]
    columns = (scored.entries[places], scored.best(places), score[places])
    return [Match(*row) for row in zip(*(column.tolist() for column in columns), named, similar[order].tolist())]


def largest(score: np.ndarray, keep: int) -> np.ndarray:
    """Places of the `keep` largest finite scores and of all that equal the last of them."""
    if len(score) > keep:
        worst = np.partition(score, len(score) - keep)[len(score) - keep]
        return np.flatnonzero((score >= worst) & (score > -np.inf))
    return np.flatnonzero(score > -np.inf)
