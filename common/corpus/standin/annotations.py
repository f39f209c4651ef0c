"""BEAT2's annotation tables: semantic labels, discourse relations, prominence, emotion."""

from typing import Any

import numpy as np

from gesturebench.common.corpus.standin.choreography import Choreography, Gesture
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.corpus.standin.script import Script, ScriptRelation
from gesturebench.common.corpus.standin.textgrid import DECIMALS

_BEAT_SPAN_S = (0.20, 0.25)
_SHORTEST_LABEL_S = 0.05
_LOW_LABEL = {"deictic": 2, "iconic": 5, "metaphoric": 8}
_EMOTIONS = ("neutral", "happiness", "anger", "sadness", "contempt", "surprise", "fear", "disgust")

Label = tuple[int, str]
"""Number and name of a gesture class, such as (6, "06_iconic_m"); the score is a tenth of the number."""


def semantic_labels(plan: Choreography, duration_s: float) -> str:
    """`sem/<id>.txt`: label, start, end, duration, score, keyword; the rows cover the clip without overlap."""
    wanted = [(g.stroke_s, g.hold_s, _label(g), g.word) for g in plan.gestures]
    taken = [(g.stroke_s, g.hold_s) for g in plan.gestures]
    for beat in plan.beats:
        start, end = beat.time_s - _BEAT_SPAN_S[0], beat.time_s + _BEAT_SPAN_S[1]
        if all(end <= a or b <= start for a, b in taken):  # a beat in the hold of a gesture stays part of that gesture
            wanted.append((start, end, (1, "01_beat_align"), ""))
    lines, here = [], 0.0
    for start, end, label, word in sorted(wanted):
        start, end = max(start, here), min(end, duration_s)
        if end - start < _SHORTEST_LABEL_S:
            continue
        lines += _nothing(here, start)
        lines.append(_row(start, end, label, word))
        here = end
    return "\n".join([*lines, *_nothing(here, duration_s), ""])


def _label(gesture: Gesture) -> Label:
    """Low, medium or high by the gesture's size."""
    kind = gesture.tag.split(":")[0]
    size = int(np.searchsorted((0.85, 1.1), gesture.amplitude))
    number = _LOW_LABEL[kind] + size
    return number, f"{number:02d}_{kind}_{'lmh'[size]}"


def _nothing(start_s: float, end_s: float) -> list[str]:
    return [_row(start_s, end_s, (0, "00_nogesture"), "")] if end_s - start_s > 10**-DECIMALS else []


def _row(start_s: float, end_s: float, label: Label, word: str) -> str:
    number, name = label
    return f"{name}\t{start_s:.4f}\t{end_s:.4f}\t{end_s - start_s:.4f}\t{number / 10:.1f}\t{word}"


def discourse(scene: Scene) -> dict[str, Any]:
    """`discourse_rels/<id>_whisper_relations.json`; token lists count over all sentences."""
    times, sentences, offset = token_times(scene), [], 0
    for sentence in scene.script.sentences:
        spans = times[offset : offset + len(sentence)]
        tokens = [{"surface": t.surface, "startSec": a, "endSec": b} for t, (a, b) in zip(sentence, spans, strict=True)]
        sentences.append({"tokens": tokens})
        offset += len(sentence)
    return {"sentences": sentences, "relations": [_relation(scene.script, r) for r in scene.script.relations]}


def token_times(scene: Scene) -> list[tuple[float, float]]:
    """Start and end of every token; punctuation has exactly the times of its word: readers merge equal times."""
    by_index = {w.index: (round(w.start_s, DECIMALS), round(w.end_s, DECIMALS)) for w in scene.reading.words}
    times: list[tuple[float, float]] = []
    for i in range(len(scene.script.tokens)):
        times.append(by_index[i] if i in by_index else times[-1])
    return times


def _relation(script: Script, relation: ScriptRelation) -> dict[str, Any]:
    spans = {"Connective": relation.connective, "Arg1": relation.arg1, "Arg2": relation.arg2}
    texts = {
        name: {"RawText": " ".join(script.tokens[i].surface for i in indices), "TokenList": list(indices)}
        for name, indices in spans.items()
    }
    return texts | {"Sense": [relation.sense], "Type": "Explicit"}


def prominence_table(clip_id: str, scene: Scene) -> str:
    """`prom/<id>.prom`: id, start, end, word (cased), prominence, boundary (1 before a pause of 0.1 s, 2 of 0.3 s)."""
    words = scene.reading.words
    following = [*(w.start_s for w in words[1:]), np.inf]
    lines = []
    for word, weight, next_s in zip(words, scene.prominence, following):
        boundary = int(np.searchsorted((0.1, 0.3), next_s - word.end_s, side="right"))
        text = scene.script.tokens[word.index].surface
        lines.append(f"{clip_id}\t{word.start_s:.4f}\t{word.end_s:.4f}\t{text}\t{weight:.3f}\t{boundary}")
    return "\n".join([*lines, ""])


def emotion_table(emotion: int, duration_s: float) -> str:
    """`emo/<id>.csv`: one row for the whole clip."""
    return f"{emotion:02d}_{_EMOTIONS[emotion]},0,{duration_s:.4f},{duration_s:.4f},0\n"
