"""RAG-Gesture's retrieval as its code does it: per query point one walk through all windows, field by field. The slow
and obvious way to what `scores.py` and `ranking.py` compute on columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

import numpy as np

from gesturebench.common.retrieval.excerpt import Anchor, Excerpt
from gesturebench.methods.rag_gesture.config import RetrievalConfig

Scores = tuple[float, int | None]
"""Score of a window, and which of its annotations is matched."""


@dataclass(frozen=True)
class Stores:
    """The key-value stores by window name, in the order of the database: see the fields of `stores_of`."""

    text: dict[str, Any]
    sense: dict[str, list[Any]]
    prominence: dict[str, list[float | None]]
    labels: dict[str, list[Any]]
    label_prominence: dict[str, list[float | None]]


def name_of(entry: Excerpt) -> str:
    return f"{entry.window.clip_id}/{entry.window.start}"


def stores_of(entries: Iterable[Excerpt]) -> Stores:
    """Text features; [speaker, (sense, connective), ...]; their prominences; [speaker, {name, start, end, word}, ...];
    their prominences."""
    text, sense, prominence, labels, label_prominence = {}, {}, {}, {}, {}
    for entry in entries:
        name = name_of(entry)
        text[name] = entry.text
        sense[name] = [entry.speaker, *((r.sense, r.connective) for r in entry.relations)]
        prominence[name] = list(entry.prominence)
        named = [{"name": k.kind, "start": k.start_s, "end": k.end_s, "word": k.word} for k in entry.labels]
        labels[name] = [entry.speaker, *named]
        label_prominence[name] = list(entry.label_prominence)
    return Stores(text, sense, prominence, labels, label_prominence)


def plain_rank(asked: Anchor, query: Excerpt, stores: Stores, config: RetrievalConfig) -> list[tuple[str, int, float]]:
    """(name, matched annotation, score) of the first `keep` windows, best first. Matched annotations are counted among
    the relations, or among the labels that are no beats."""
    score_of = {"discourse": relation_score, "gesture_type": label_score, "llm": word_score}[config.strategy]
    scored = []
    for name in stores.text:
        clip, _, start = name.rpartition("/")
        if clip == query.window.clip_id and (config.own == "clip" or int(start) == query.window.start):
            continue
        score, best = score_of(asked, query, name, stores, config)
        if score > 0:
            scored.append((name, best, score))
    scored.sort(key=lambda row: -row[2])
    ranked: list[tuple[str, int, float]] = []
    for _, tier in groupby(scored, key=lambda row: row[2]):
        if len(ranked) >= config.keep:
            break
        rows = list(tier)
        if len(rows) > 1:
            rows.sort(key=lambda row: -diagonal_mean(query.text, stores.text[row[0]]))
        ranked += rows
    return ranked[: config.keep]


def diagonal_mean(q: np.ndarray, d: np.ndarray) -> float:
    return float(np.diagonal(q @ d.T).mean()) if len(q) and len(d) else 0.0


def relation_score(asked: Anchor, query: Excerpt, name: str, stores: Stores, config: RetrievalConfig) -> Scores:
    speaker, *pairs = stores.sense[name]
    candidates = [k for k, (sense, _) in enumerate(pairs) if sense == asked.kind]
    if not candidates:
        return 0.0, None
    score, best = 2.0, candidates[0]
    same = [k for k in candidates if equal(asked.word, pairs[k][1], config.connectives)]
    if same:
        score, best = score + 4.0, same[0]
    if speaker == query.speaker:
        score += 3.0
    bonus, nearest = nearness(asked.prominence, {k: stores.prominence[name][k] for k in candidates})
    if nearest is not None and not same:
        best = nearest
    return score + bonus, best


def label_score(asked: Anchor, query: Excerpt, name: str, stores: Stores, config: RetrievalConfig) -> Scores:
    speaker, *labels = stores.labels[name]
    labels = [label for label in labels if label["name"] != "beat"]
    candidates = [k for k, label in enumerate(labels) if label["name"] == asked.kind]
    if not candidates:
        return 0.0, None
    score = 2.0 + (2.0 if speaker == query.speaker else 0.0)
    points, best, _ = keyword(asked, labels, candidates, config)
    return score + points, best


def word_score(asked: Anchor, query: Excerpt, name: str, stores: Stores, config: RetrievalConfig) -> Scores:
    speaker, *labels = stores.labels[name]
    kept = [k for k, label in enumerate(labels) if label["name"] != "beat"]
    labels = [labels[k] for k in kept]
    candidates = [k for k, label in enumerate(labels) if label["name"] == asked.kind]
    if not candidates:
        return 0.0, None
    score = 2.0 + (1.0 if speaker == query.speaker else 0.0)
    points, best, is_exact = keyword(asked, labels, candidates, config)
    bonus, nearest = nearness(asked.prominence, {k: stores.label_prominence[name][kept[k]] for k in candidates})
    if nearest is not None and (config.best_label == "released" or not is_exact):
        best = nearest
    return score + points + bonus, best


def keyword(
    asked: Anchor, labels: list[dict[str, Any]], candidates: list[int], config: RetrievalConfig
) -> tuple[float, int, bool]:
    """Points, matched label, and whether it has the keyword itself."""
    same = [k for k in candidates if equal(asked.word, labels[k]["word"], config.keywords)]
    if same and (asked.word or config.keywords == "exact"):
        return 5.0, same[0], True
    similar = [similarity(asked.word, labels[k]["word"], config.keywords) for k in candidates]
    most = max(similar)
    points = 3.0 * most if config.word_bonus == "increasing" else 3.0 / (1.0 + 2.0 * most)
    return points, candidates[similar.index(most)], False


def nearness(prominence: float | None, others: dict[int, float | None]) -> tuple[float, int | None]:
    """Mean of 4 / (1 + 2 |difference|), and the annotation with the smallest difference."""
    gaps = {k: abs(prominence - other) for k, other in others.items() if None not in (prominence, other)}
    if not gaps:
        return 0.0, None
    total = 0.0
    for gap in gaps.values():
        total += 4.0 / (1.0 + 2.0 * gap)
    return total / len(gaps), min(gaps, key=gaps.get)


def equal(a: str, b: str, case: str) -> bool:
    return a.casefold() == b.casefold() if case == "casefold" else a == b


def similarity(a: str, b: str, case: str) -> float:
    """fuzzywuzzy's partial ratio, as its code does it."""
    if case == "casefold":
        a, b = a.casefold(), b.casefold()
    if not a or not b:
        return 0.0
    if a == b:
        return 1.0
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    ratios = []
    for block in SequenceMatcher(None, shorter, longer).get_matching_blocks():
        start = max(block.b - block.a, 0)
        ratio = SequenceMatcher(None, shorter, longer[start : start + len(shorter)]).ratio()
        if ratio > 0.995:
            return 1.0
        ratios.append(ratio)
    return round(100 * max(ratios)) / 100
