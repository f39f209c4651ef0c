"""How well a database window answers a query point: the published scores, over whole columns at once."""

from collections.abc import Callable, Mapping

import numpy as np

from gesturebench.common.retrieval.anchors import AnchorColumns, Groups
from gesturebench.common.retrieval.database import Anchor, Database, Excerpt
from gesturebench.common.retrieval.ranking import Scored
from gesturebench.methods.rag_gesture.config import RetrievalConfig

Score = Callable[[Anchor, Excerpt, Database, RetrievalConfig], Scored]
Terms = Mapping[str, np.ndarray | float]
"""Parts of a score by name, (M,) or one number for all windows."""

NEAREST = 4.0
"""The largest prominence term."""


def score_relations(asked: Anchor, query: Excerpt, database: Database, config: RetrievalConfig) -> Scored:
    """+2 for a relation of the same sense, +4 if one of those has the same connective, +3 for the same speaker, and the
    mean of 4 / (1 + 2 |difference|) over prominences (rag-gesture, sec. 3.3).

    A window is matched at the relation with the connective, else at the one nearest in prominence, else at the first.
    """
    fold, columns = config.connectives == "casefold", database.connectives

    def terms(groups: Groups) -> Terms:
        return {
            "sense": 2.0,
            "connective": 4.0 * groups.any(columns.has_word(groups, asked.word, fold_case=fold)),
            "speaker": 3.0 * (database.speaker[groups.entries] == query.speaker),
        }

    def best(groups: Groups) -> np.ndarray:
        exact = groups.first_where(columns.has_word(groups, asked.word, fold_case=fold))
        return _first_known(exact, groups.nearest(asked.prominence), groups.first)

    return _scored(columns.of_kind(asked.kind), terms, best, asked.prominence, _enough(query, database, config))


def score_labels(asked: Anchor, query: Excerpt, database: Database, config: RetrievalConfig) -> Scored:
    """+2 for a gesture of the same type, +2 for the same speaker, +5 for the same keyword, else a bonus for a similar
    one. A window is matched at the keyword, else at the most similar one.
    """
    keywords = _Keywords(asked.word, database.gestures, config)

    def terms(groups: Groups) -> Terms:
        speaker = 2.0 * (database.speaker[groups.entries] == query.speaker)
        return {"type": 2.0, "speaker": speaker, "word": keywords.points(groups)}

    def best(groups: Groups) -> np.ndarray:
        return _first_known(keywords.exact(groups), keywords.similar(groups))

    return _scored(database.gestures.of_kind(asked.kind), terms, best)


def score_words(asked: Anchor, query: Excerpt, database: Database, config: RetrievalConfig) -> Scored:
    """As `score_labels`, with +1 for the same speaker and the prominence term of `score_relations`.

    A window is matched at the keyword, else at the gesture nearest in prominence, else at the most similar keyword; the
    released code prefers prominence to the keyword.
    """
    keywords = _Keywords(asked.word, database.gestures, config)

    def terms(groups: Groups) -> Terms:
        speaker = 1.0 * (database.speaker[groups.entries] == query.speaker)
        return {"type": 2.0, "speaker": speaker, "word": keywords.points(groups)}

    def best(groups: Groups) -> np.ndarray:
        exact, nearest = keywords.exact(groups), groups.nearest(asked.prominence)
        order = (exact, nearest) if config.best_label == "word" else (nearest, exact)
        return _first_known(*order, keywords.similar(groups))

    groups = database.gestures.of_kind(asked.kind)
    return _scored(groups, terms, best, asked.prominence, _enough(query, database, config))


def score_text(query: Excerpt, database: Database) -> Scored:
    """The text similarity alone, of all windows in which something is said; no row is matched."""
    spoken = np.flatnonzero(database.text.lengths)
    return Scored(spoken, {"text": database.text.similarity(query.text, spoken)}, lambda places: places)


class _Keywords:
    """How an asked word compares with the keywords of labelled gestures."""

    def __init__(self, word: str, columns: AnchorColumns, config: RetrievalConfig):
        self._word, self._columns = word, columns
        self._fold, self._increasing = config.keywords == "casefold", config.word_bonus == "increasing"

    def points(self, groups: Groups) -> np.ndarray:
        """(M,) 5 for the word itself, else up to 3 by the most similar one."""
        s = groups.largest(self._similarity(groups))
        bonus = 3.0 * s if self._increasing else 3.0 / (1.0 + 2.0 * s)
        return np.where(groups.any(self._same(groups)), 5.0, bonus)

    def exact(self, groups: Groups) -> np.ndarray:
        return groups.first_where(self._same(groups))

    def similar(self, groups: Groups) -> np.ndarray:
        return groups.first_largest(self._similarity(groups))

    def _same(self, groups: Groups) -> np.ndarray:
        if self._fold and not self._word:
            return np.zeros(len(groups.rows), bool)
        return self._columns.has_word(groups, self._word, fold_case=self._fold)

    def _similarity(self, groups: Groups) -> np.ndarray:
        return self._columns.similarity(groups, self._word, fold_case=self._fold)


def _scored(
    groups: Groups | None,
    terms: Callable[[Groups], Terms],
    best: Callable[[Groups], np.ndarray],
    prominence: float | None = None,
    enough: int | None = None,
) -> Scored:
    """Terms of all windows, and the prominence term of those that it can bring among the first `enough`; without
    `enough` there is no such term. The matched row is looked for in those alone that are ranked.
    """
    if groups is None:
        nothing = np.zeros(0, np.int64)
        return Scored(nothing, {}, lambda places: nothing)
    found = dict(terms(groups))
    if enough is not None:
        contenders = _contenders(found, len(groups.entries), 0.0 if prominence is None else NEAREST, enough)
        if len(contenders) < len(groups.entries) / 3:  # else it is quicker to go on with all
            groups = groups.only(contenders)
            found = {name: term if isinstance(term, float) else term[contenders] for name, term in found.items()}
        found["prominence"] = groups.mean_nearness(prominence)

    def rows(places: np.ndarray) -> np.ndarray:
        few = groups.only(places)
        return few.rows[best(few)]

    return Scored(groups.entries, found, rows)


def _contenders(terms: Terms, count: int, most: float, enough: int) -> np.ndarray:
    """Places whose sum, with `most` on top, is not below the whole number that `enough` places reach already."""
    total = sum(terms.values()) + np.zeros(count)
    reached = np.cumsum(np.bincount(total.astype(np.intp))[::-1])[::-1]
    return np.flatnonzero(total + most >= np.flatnonzero(reached >= min(enough, count))[-1])


def _enough(query: Excerpt, database: Database, config: RetrievalConfig) -> int:
    """How many windows have to be ranked so that `keep` are left when the query's own are taken out."""
    return config.keep + len(database.own(query.window, whole_clip=config.own == "clip"))


def _first_known(*choices: np.ndarray) -> np.ndarray:
    """Place by place the first choice that is not -1."""
    best = choices[-1]
    for choice in choices[-2::-1]:
        best = np.where(choice >= 0, choice, best)
    return best
