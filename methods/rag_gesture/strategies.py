"""Which training gesture is retrieved for which moment of a test window.

Every strategy maps the excerpt of a test window to hits: a moment of the query (seconds), and a span of a database
window.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from gesturebench.common.corpus.clip import Relation
from gesturebench.common.corpus.windows import Window
from gesturebench.common.retrieval.database import Database, Excerpt
from gesturebench.common.seeds import numpy_generator
from gesturebench.methods.rag_gesture.config import RetrievalConfig


@dataclass(frozen=True)
class Hit:
    """`source` seconds inside the retrieved `window`, `query` seconds inside the test window, what was asked for, and
    its score.
    """

    window: Window
    source: tuple[float, float]
    query: tuple[float, float]
    asked: str
    score: float


Strategy = Callable[[Excerpt, int], list[Hit]]
"""(excerpt of the test window, run seed) -> hits in the order of the query."""


def strategy(config: RetrievalConfig, database: Database | None) -> Strategy:
    """The configured strategy; `none` needs no database."""
    if config.strategy == "none" or database is None:
        return lambda query, seed: []
    find = {"discourse": _discourse, "random": _random, "positions": _positions}[config.strategy]
    return lambda query, seed: find(query, database, config, seed)


def _discourse(query: Excerpt, database: Database, config: RetrievalConfig, seed: int) -> list[Hit]:
    """The best database window per discourse relation (rag-gesture, sec. 3.3: sense, connective, speaker, prominence;
    text breaks ties).
    """
    hits = []
    for relation, prominence in zip(query.relations, query.prominence, strict=True):
        ranked = rank_by_discourse(relation, prominence, query, database.entries, config.keep)
        if ranked:
            entry, best, score = ranked[0]
            span = (best.connective_start_s, best.connective_end_s)
            hits.append(Hit(entry.window, span, _moment(relation), f"{relation.connective} ({relation.sense})", score))
    return hits


def rank_by_discourse(
    relation: Relation, prominence: float | None, query: Excerpt, entries: Iterable[Excerpt], keep: int
) -> list[tuple[Excerpt, Relation, float]]:
    """The first `keep` (window, its best relation, score) for one relation, best first.

    Score: +2 for a relation of the same sense, +4 if one of those has the same connective, +3 for the same speaker, and
    the mean of 4 / (1 + 2 |difference|) over prominences. Equal scores are ordered by text similarity. The query's own
    clip never enters.
    """
    scored = []
    for entry in entries:
        if entry.window.clip_id != query.window.clip_id:
            score, best = _discourse_score(relation, prominence, query.speaker, entry)
            if best is not None:
                scored.append((entry, best, score))
    scored.sort(key=lambda row: -row[2])
    ranked: list[tuple[Excerpt, Relation, float]] = []
    for _, tier in groupby(scored, key=lambda row: row[2]):
        if len(ranked) >= keep:
            break
        ranked += sorted(tier, key=lambda row: -text_similarity(query.text, row[0].text))
    return ranked[:keep]


def _discourse_score(
    relation: Relation, prominence: float | None, speaker: int, entry: Excerpt
) -> tuple[float, Relation | None]:
    candidates = [(r, p) for r, p in zip(entry.relations, entry.prominence, strict=True) if r.sense == relation.sense]
    if not candidates:
        return 0.0, None
    score, best = 2.0 + 3.0 * (entry.speaker == speaker), candidates[0][0]
    same = [r for r, _ in candidates if r.connective.casefold() == relation.connective.casefold()]
    if same:
        score, best = score + 4.0, same[0]
    rated = [(abs(prominence - p), r) for r, p in candidates if prominence is not None and p is not None]
    if rated:
        score += float(np.mean([4.0 / (1.0 + 2.0 * gap) for gap, _ in rated]))
        if not same:
            best = min(rated, key=lambda row: row[0])[1]
    return score, best


def text_similarity(q: np.ndarray, d: np.ndarray) -> float:
    """Mean of the main diagonal of Q D^T: dot products of the first min(n_q, n_d) word vectors."""
    n = min(len(q), len(d))
    return float(np.einsum("nd,nd->n", q[:n], d[:n]).mean()) if n else 0.0


def _random(query: Excerpt, database: Database, config: RetrievalConfig, seed: int) -> list[Hit]:
    """Control: the places of `discourse`, filled with random stretches of one random training window."""
    rng = numpy_generator("random retrieval", seed, query.window.clip_id, query.window.start)
    entry = database.entries[int(rng.integers(len(database)))]
    hits = []
    for relation in query.relations:
        length = relation.connective_end_s - relation.connective_start_s
        start = float(rng.uniform(0, entry.duration_s - length))
        hits.append(Hit(entry.window, (start, start + length), _moment(relation), "random", 0.0))
    return hits


def _positions(query: Excerpt, database: Database, config: RetrievalConfig, seed: int) -> list[Hit]:
    """Control with leaked timing: where a gesture truly happens (oracle), random gestures of one window of the same
    speaker, whatever they mean.
    """
    rng = numpy_generator("true positions", seed, query.window.clip_id, query.window.start)
    gestured = [e for e in database.entries if e.events]
    same = [e for e in gestured if e.speaker == query.speaker] or gestured
    if not same:
        return []
    entry = same[int(rng.integers(len(same)))]
    hits = []
    for event in query.events:
        other = entry.events[int(rng.integers(len(entry.events)))]
        source, moment = (other.word_start_s, other.word_end_s), (event.word_start_s, event.word_end_s)
        hits.append(Hit(entry.window, source, moment, "true position", 0.0))
    return hits


def _moment(relation: Relation) -> tuple[float, float]:
    return relation.connective_start_s, relation.connective_end_s
