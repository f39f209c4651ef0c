"""How often retrieval is right, where it is known what every gesture is: on the stand-in corpus.

A segment holds the gestures whose strokes meet it. A query that holds any is answered rightly at k if one of its first
k entries holds a gesture of the same class (`class`), or one made for the same word (`word`). Chance is the same for k
entries drawn without replacement from those that might be found: 1 - C(N - M, k) / C(N, k), where M of N are right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any

import numpy as np

from gesturebench.common.corpus.clip import Speech, TruthEvent
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.methods.exges.retrieval.rows import FPS
from gesturebench.methods.exges.retrieval.search import Asked, Retriever

KS = (1, 5, 10)
KINDS = ("class", "word")


@dataclass(frozen=True)
class Meaning:
    """What gestures a stretch of a recording holds: classes and the words they were made for."""

    tags: frozenset[str]
    words: frozenset[str]

    def shares(self, other: "Meaning", kind: str) -> bool:
        return bool(self.tags & other.tags if kind == "class" else self.words & other.words)


class Truth:
    """What the stand-in's generator did, by recording and time."""

    def __init__(self, store: ClipStore):
        self._events = cache(store.truth)

    def between(self, clip_id: str, start_s: float, end_s: float) -> Meaning:
        met = [e for e in self._events(clip_id) if e.stroke_s < end_s and e.end_s > start_s]
        return Meaning(frozenset(e.tag for e in met), frozenset(e.word for e in met))

    def at(self, clip_id: str, frame: int) -> TruthEvent | None:
        """The gesture whose stroke or hold runs in a frame."""
        moment_s = frame / FPS
        return next((e for e in self._events(clip_id) if e.stroke_s <= moment_s < e.hold_s), None)


def measured(
    retriever: Retriever, store: ClipStore, *, split: str = "test", ks: Sequence[int] = KS, seed: int = 0
) -> dict[str, Any]:
    """`class_at_k` and `word_at_k` with `chance` beside each; of the keyframes of a mode, how many lie in a gesture
    (`gesturing`) and in one of a class of their query (`fitting`), for `retrieved`, `middle_frame` and `random`.
    """
    truth, speeches = Truth(store), [store.speech(clip) for clip in store.split(split)]
    if max(ks) > retriever.config.search.candidates:
        raise InputError(
            f"matches at {max(ks)} of {retriever.config.search.candidates} candidates",
            expected="as many candidates at least",
            remedy="raise retrieval.search.candidates",
        )
    entries = [_of_entry(truth, retriever, entry) for entry in range(len(retriever.base))]
    rows = [row for speech in speeches for row in _answers(truth, retriever, retriever.ask(speech), entries, ks)]
    found: dict[str, Any] = {"queries": len(rows), "split": split}
    for name in rows[0] if rows else ():
        found[name] = float(np.mean([row[name] for row in rows]))
    modes = ("retrieved", "middle_frame", "random")
    return found | {"keyframes": {mode: _keyframes(truth, retriever, speeches, mode, seed) for mode in modes}}


def _of_entry(truth: Truth, retriever: Retriever, entry: int) -> Meaning:
    e = retriever.base.entries
    return truth.between(e.clips[e.clip[entry]], float(e.start_s[entry]), float(e.end_s[entry]))


def _answers(
    truth: Truth, retriever: Retriever, asked: Asked, entries: Sequence[Meaning], ks: Sequence[int]
) -> list[Mapping[str, float]]:
    """One row per query that holds a gesture and might find something."""
    allowed, rows = retriever.allowed(asked), []
    for segment, (ids, _) in zip(asked.segments, asked.found, strict=True):
        own = truth.between(asked.clip_id, segment.start_s, segment.end_s)
        if not own.tags or not len(ids):
            continue
        row: dict[str, float] = {}
        for kind in KINDS:
            right = sum(own.shares(entries[entry], kind) for entry in allowed)
            for k in ks:
                row[f"{kind}_at_{k}"] = float(any(own.shares(entries[entry], kind) for entry in ids[:k]))
                row[f"{kind}_at_{k}_chance"] = chance_of_any(len(allowed), right, k)
        rows.append(row)
    return rows


def chance_of_any(count: int, right: int, k: int) -> float:
    """That any of k drawn from `count` without replacement is one of the `right` ones.

    >>> chance_of_any(4, 1, 2), chance_of_any(10, 1, 10), chance_of_any(4, 0, 2)
    (0.5, 1.0, 0.0)
    """
    k = min(k, count)
    return 1.0 - comb(count - right, k) / comb(count, k)


def _keyframes(
    truth: Truth, retriever: Retriever, speeches: Sequence[Speech], mode: Any, seed: int
) -> dict[str, float | int]:
    gesturing, fitting = [], []
    for speech in speeches:
        for keyframe in retriever.keyframes(speech, mode, seed=seed):
            event = truth.at(keyframe.source_recording, keyframe.source_frame)
            gesturing.append(event is not None)
            own = truth.between(speech.clip_id, *keyframe.segment)
            if own.tags:
                fitting.append(event is not None and event.tag in own.tags)
    shares = {"gesturing": gesturing, "fitting": fitting}
    return {"count": len(gesturing), **{name: float(np.mean(v)) if v else 0.0 for name, v in shares.items()}}
