"""The retrieval report of a clip: what was asked for, what was found, by which score, and where it went.

Plain data. Times in seconds: of the clip, unless a name says otherwise.
"""

from collections.abc import Mapping
from typing import Any

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.windows import Window
from gesturebench.common.retrieval.database import STORE_FPS, Database
from gesturebench.common.retrieval.ranking import Match
from gesturebench.methods.rag_gesture.hits import Point
from gesturebench.methods.rag_gesture.placement import Placed
from gesturebench.methods.rag_gesture.retriever import Retriever

NOTHING_FOUND = "nothing found"
"""Beside the reasons of `placement.Dropped`: no database window has what was asked for."""


def explained(retriever: Retriever, speech: Speech, seed: int) -> dict[str, Any]:
    """A report: `clip`, `strategy`, `duration_s`, `words`, and `windows` with their `points`; where a language model is
    asked also its `answer` to the window's text: `state`, `note` in one line, and `replies` as they came."""
    return {
        "clip": speech.clip_id,
        "strategy": retriever.config.retrieval.strategy,
        "seed": seed,
        "duration_s": speech.duration_s,
        "words": [[word.text, word.start_s, word.end_s] for word in speech.words],
        "windows": [_window(retriever, speech, window, seed) for window in retriever.windows(speech)],
    }


def _window(retriever: Retriever, speech: Speech, window: Window, seed: int) -> dict[str, Any]:
    points = retriever.points(speech, window, seed)
    start = window.start / STORE_FPS
    rows = [
        _point(retriever, point, outcome, start)
        for point, outcome in zip(points, retriever.placed(points), strict=True)
    ]
    found = {"start_s": start, "end_s": start + window.length / STORE_FPS, "points": rows}
    answer = retriever.answer(speech, window)
    if answer is None:
        return found
    return {**found, "answer": {"state": answer.state, "note": answer.note, "replies": list(answer.replies)}}


def _point(retriever: Retriever, point: Point, outcome: Placed | None, start: float) -> dict[str, Any]:
    asked, database = point.asked, retriever.database
    return {
        "word": asked.word,
        "kind": asked.kind,
        "start_s": start + asked.start_s,
        "end_s": start + asked.end_s,
        "prominence": asked.prominence,
        "ranked": [_match(database, match, retriever.config.retrieval.strategy) for match in point.ranked],
        "found": _found(point),
        "placed": _placed(retriever, outcome, start),
        "dropped": outcome.dropped if outcome else NOTHING_FOUND,
    }


def _match(database: Database, match: Match, strategy: str) -> dict[str, Any]:
    """A place in the ranked list; the matched word lies in the clip it comes from."""
    window = database.windows[match.entry]
    found: Mapping[str, Any] = {"word": "", "kind": "", "start_s": None, "end_s": None}
    if strategy != "text":
        anchor = (database.connectives if strategy == "discourse" else database.gestures).anchors[match.row]
        start = window.start / STORE_FPS
        found = {
            "word": anchor.word,
            "kind": anchor.kind,
            "start_s": start + anchor.start_s,
            "end_s": start + anchor.end_s,
        }
    return {**_of(window), **found, "score": match.score, "terms": match.terms, "text": match.text}


def _found(point: Point) -> dict[str, Any] | None:
    """The gesture that is taken, also where a control did not rank; `source` lies in the clip it comes from."""
    hit = point.hit
    if hit is None:
        return None
    start = hit.window.start / STORE_FPS
    source = {"start_s": start + hit.source[0], "end_s": start + hit.source[1]}
    return {**_of(hit.window), "what": hit.found, **source, "score": hit.score}


def _of(window: Window) -> dict[str, Any]:
    return {"clip": window.clip_id, "window_s": window.start / STORE_FPS}


def _placed(retriever: Retriever, outcome: Placed | None, start: float) -> dict[str, Any] | None:
    """Slots of both windows, and the seconds of the clip that the gesture fills; `moved`: not where it was wished for,
    or shorter."""
    if outcome is None or outcome.placement is None:
        return None
    placement = outcome.placement
    first, last = retriever.grid.seconds(placement.target)
    return {
        "slots": list(placement.target),
        "source_slots": list(placement.source),
        "start_s": start + first,
        "end_s": start + last,
        "wished_slots": list(outcome.wished or placement.target),
        "moved": outcome.moved,
    }
