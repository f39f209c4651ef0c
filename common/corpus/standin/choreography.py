"""When what is gestured: the truth of the corpus, decided before anything moves.

A stroke starts 50 ms (+- 20) before its word, a preparation runs before it and a hold after it; a gesture that would
start before the last stroke ended is left out. Beats fall on stressed syllables of prominent words where no stroke
runs.
"""

from dataclasses import dataclass, replace

import numpy as np

from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.corpus.standin.speech import TimedWord
from gesturebench.common.corpus.standin.templates import TEMPLATES, Template

STROKE_LEAD_S, STROKE_JITTER_S = 0.05, 0.02
PREPARATION_S, SHORTEST_PREPARATION_S = 0.42, 0.20
HOLD_S = (0.10, 0.35)
BEAT_GAP_S, BEAT_MARGIN_S, BEAT_PROMINENCE = 0.28, 0.12, 0.35
BEAT_JITTER_S, LARGEST_BEAT = 0.02, 0.14


@dataclass(frozen=True, eq=False)
class Gesture:
    """A gesture to be made: preparation from `prep_s`, stroke `stroke_s` to `end_s`, hold until `hold_s`."""

    tag: str
    word: str
    token: int
    word_start_s: float
    word_end_s: float
    prep_s: float
    stroke_s: float
    end_s: float
    hold_s: float
    hands: str
    amplitude: float
    jitter: np.ndarray

    @property
    def template(self) -> Template:
        return TEMPLATES[self.tag]


@dataclass(frozen=True, slots=True)
class Beat:
    """A small downward accent of the hand: its lowest point, and the word it stresses."""

    time_s: float
    word: str
    prominence: float
    amplitude: float


@dataclass(frozen=True, eq=False)
class Choreography:
    """Gestures and beats in time order, and the words that know a gesture but were not gestured."""

    gestures: tuple[Gesture, ...]
    beats: tuple[Beat, ...]
    ungestured: tuple[TimedWord, ...]


def choreograph(scene: Scene, semantic_rate: float, rng: np.random.Generator) -> Choreography:
    """Decide gestures and beats. Every word draws its random numbers, needed or not: `semantic_rate` only thins out."""
    gestures: list[Gesture] = []
    ungestured: list[TimedWord] = []
    for word in scene.reading.words:
        token = scene.script.tokens[word.index]
        draws, jitter = rng.random(2), rng.normal(size=5)
        if token.tag is None:
            continue
        gesture = _gesture(scene, word, token.tag, token.surface.lower(), draws[1], jitter)
        wanted = draws[0] < scene.style.semantic_rate * semantic_rate
        if wanted and _fits(gesture, gestures, scene.duration_s):
            gestures = _appended(gestures, gesture)
        else:
            ungestured.append(word)
    return Choreography(tuple(gestures), _beats(scene, gestures, rng), tuple(ungestured))


def _gesture(scene: Scene, word: TimedWord, tag: str, text: str, hold: float, jitter: np.ndarray) -> Gesture:
    template = TEMPLATES[tag]
    lead = STROKE_LEAD_S - float(np.clip(jitter[0], -1, 1)) * STROKE_JITTER_S
    stroke = max(word.start_s - lead, 0.0)
    end = stroke + float(np.clip(template.duration_s * scene.tempo, 0.3, 1.0))
    return Gesture(
        tag=tag,
        word=text,
        token=word.index,
        word_start_s=word.start_s,
        word_end_s=word.end_s,
        prep_s=max(stroke - PREPARATION_S * scene.tempo, 0.0),
        stroke_s=stroke,
        end_s=end,
        hold_s=end + HOLD_S[0] + (HOLD_S[1] - HOLD_S[0]) * float(hold),
        hands=_hands(scene, tag),
        amplitude=float(np.clip(scene.size * (1 + 0.07 * jitter[1]), 0.5, 1.5)),
        jitter=0.015 * jitter[2:],
    )


def _hands(scene: Scene, tag: str) -> str:
    if TEMPLATES[tag].hands != "one" or scene.style.variants[tag].both:
        return "both"
    return "left" if scene.style.left_handed else "right"


def _fits(gesture: Gesture, before: list[Gesture], duration_s: float) -> bool:
    """There is time to get the hand there after the last stroke, and to finish before the clip ends."""
    free = not before or gesture.stroke_s - SHORTEST_PREPARATION_S >= before[-1].end_s
    return free and gesture.end_s < duration_s


def _appended(before: list[Gesture], gesture: Gesture) -> list[Gesture]:
    """Append a gesture; a short gap first costs the last hold, then the preparation."""
    if not before:
        return [gesture]
    last = before[-1]
    prep = max(gesture.prep_s, last.end_s)
    return [*before[:-1], replace(last, hold_s=min(last.hold_s, prep)), replace(gesture, prep_s=prep)]


def _beats(scene: Scene, gestures: list[Gesture], rng: np.random.Generator) -> tuple[Beat, ...]:
    beats: list[Beat] = []
    last_s = -np.inf
    for word, weight in zip(scene.reading.words, scene.prominence):
        draw, jitter = rng.random(), rng.normal()
        stressed = next((p for p in word.phones if p.stress == 1), None)
        if stressed is None or weight < BEAT_PROMINENCE or draw > scene.style.beat_rate:
            continue
        time_s = (stressed.start_s + stressed.end_s) / 2 + scene.style.beat_lag_s + BEAT_JITTER_S * jitter
        busy = any(g.stroke_s - BEAT_MARGIN_S < time_s < g.end_s + BEAT_MARGIN_S for g in gestures)
        if busy or time_s - last_s < BEAT_GAP_S:
            continue
        amplitude = min(0.10 * float(weight) * scene.size, LARGEST_BEAT)
        beats.append(Beat(time_s, scene.script.tokens[word.index].surface.lower(), float(weight), amplitude))
        last_s = time_s
    return tuple(beats)
