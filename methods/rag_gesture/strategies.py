"""Which training gesture is retrieved for which moment of a test window.

Every strategy maps the excerpt of a test window to points: a moment that is asked for, and what a database window has
for it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gesturebench.common.llm import Answer, SemanticWord, ask, locate
from gesturebench.common.retrieval.database import Database
from gesturebench.common.retrieval.excerpt import Anchor, Excerpt
from gesturebench.common.retrieval.prominence import prominence_of
from gesturebench.common.retrieval.ranking import Match, Scored, ranked
from gesturebench.common.seeds import numpy_generator
from gesturebench.methods.rag_gesture.config import RetrievalConfig
from gesturebench.methods.rag_gesture.hits import Hit, Point
from gesturebench.methods.rag_gesture.scores import Score, score_labels, score_relations, score_text, score_words

__all__ = ["Hit", "Point", "Strategy", "asks", "rank", "spoken", "strategy"]

Strategy = Callable[[Excerpt, int], list[Point]]
"""(excerpt of the test window, run seed) -> points in the order of the query."""


def strategy(config: RetrievalConfig, database: Database | None) -> Strategy:
    """The configured strategy; `none` needs no database."""
    if config.strategy == "none" or database is None:
        return lambda query, seed: []
    controls = {"random": _random, "positions": _positions, "text": _text}
    find = controls.get(config.strategy, _best)
    return lambda query, seed: find(query, database, config, seed)


def asks(query: Excerpt, config: RetrievalConfig) -> list[Anchor]:
    """What the configured kind of query asks for in a window: relations, labelled gestures, or a language model's
    words."""
    places = config.places if config.strategy == "random" else config.strategy
    return list({"discourse": _relations, "gesture_type": _labels, "llm": _words}[places](query, config))


def _relations(query: Excerpt, config: RetrievalConfig) -> Iterable[Anchor]:
    return query.connectives()


def _labels(query: Excerpt, config: RetrievalConfig) -> Iterable[Anchor]:
    return query.gestures()


def _words(query: Excerpt, config: RetrievalConfig) -> Iterable[Anchor]:
    """What a language model, or rules, read off the text alone."""
    return spoken(answer(query, config).words, query, config)


def answer(query: Excerpt, config: RetrievalConfig) -> Answer:
    """What a language model, or rules, say of a window's text, and how that came about."""
    return ask(" ".join(word.text for word in query.words), config.llm)


def spoken(named: Sequence[SemanticWord], query: Excerpt, config: RetrievalConfig) -> list[Anchor]:
    """Where named words are said in a window, and how prominently; those that are not said are left out."""
    anchors = [Anchor(*found) for found in locate(named, query.words, config.llm.walk)]
    fold = config.prominence_words == "casefold"
    values = prominence_of([anchor.word for anchor in anchors], query.prominent, fold_case=fold)
    return [replace(anchor, prominence=value) for anchor, value in zip(anchors, values, strict=True)]


SCORES: dict[str, Score] = {
    "discourse": score_relations,
    "gesture_type": score_labels,
    "llm": score_words,
}


def _best(query: Excerpt, database: Database, config: RetrievalConfig, seed: int) -> list[Point]:
    """The best database window for each thing that is asked for."""
    labelled = config.strategy != "discourse"
    anchors = (database.gestures if labelled else database.connectives).anchors
    points = []
    for asked in asks(query, config):
        matches = rank(asked, query, database, config)
        hit = _hit(asked, matches[0], anchors[matches[0].row], database, labelled) if matches else None
        points.append(Point(asked, tuple(matches), hit))
    return points


def rank(asked: Anchor, query: Excerpt, database: Database, config: RetrievalConfig) -> list[Match]:
    """The ranked list for one thing that is asked for, by the score of the configured strategy."""
    return _without_own(SCORES[config.strategy](asked, query, database, config), query, database, config)


def _without_own(scored: Scored, query: Excerpt, database: Database, config: RetrievalConfig) -> list[Match]:
    own = database.own(query.window, whole_clip=config.own == "clip")
    return ranked(scored, query.text, database.text, config.keep, own)


def _hit(asked: Anchor, match: Match, found: Anchor, database: Database, labelled: bool) -> Hit:
    window, source = database.windows[match.entry], (found.start_s, found.end_s)
    return Hit(window, source, (asked.start_s, asked.end_s), str(asked), match.score, str(found), labelled)


def _text(query: Excerpt, database: Database, config: RetrievalConfig, seed: int) -> list[Point]:
    """One point, the whole window: the database window whose words are most like its own, and all of that."""
    if not query.words:
        return []
    asked = Anchor("all words", "text", 0.0, query.duration_s)
    matches = _without_own(score_text(query, database), query, database, config)
    if not matches:
        return [Point(asked, (), None)]
    entry = matches[0].entry
    whole = Anchor("all words", "text", 0.0, database.duration_s(entry))
    return [Point(asked, tuple(matches), _hit(asked, matches[0], whole, database, labelled=True))]


def _random(query: Excerpt, database: Database, config: RetrievalConfig, seed: int) -> list[Point]:
    """Control: the places of another strategy, filled with random stretches of one random training window."""
    rng = numpy_generator("random retrieval", seed, query.window.clip_id, query.window.start)
    entry = int(rng.integers(len(database)))
    points = []
    for asked in asks(query, config):
        length = min(asked.end_s - asked.start_s, database.duration_s(entry))
        start = float(rng.uniform(0, database.duration_s(entry) - length))
        moment = (asked.start_s, asked.end_s)
        hit = Hit(database.windows[entry], (start, start + length), moment, "random", 0.0, "random")
        points.append(Point(asked, (), hit))
    return points


def _positions(query: Excerpt, database: Database, config: RetrievalConfig, seed: int) -> list[Point]:
    """Control with leaked timing: where a gesture truly happens (oracle), random gestures of one window of the same
    speaker, whatever they mean.
    """
    rng = numpy_generator("true positions", seed, query.window.clip_id, query.window.start)
    gestured = list(database.events)
    same = [entry for entry in gestured if database.speaker[entry] == query.speaker] or gestured
    entry = same[int(rng.integers(len(same)))] if same else None
    points = []
    for event in query.events:
        asked, hit = Anchor(event.word, event.tag, event.word_start_s, event.word_end_s), None
        if entry is not None:
            events = database.events[entry]
            other = events[int(rng.integers(len(events)))]
            source = other.word_start_s, other.word_end_s
            moment, found = (asked.start_s, asked.end_s), f"{other.word} ({other.tag})"
            hit = Hit(database.windows[entry], source, moment, "true position", 0.0, found)
        points.append(Point(asked, (), hit))
    return points
