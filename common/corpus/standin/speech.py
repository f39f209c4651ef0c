"""A script read aloud: 16 kHz audio with the time of every word and phone.

Times come from the engine's own events. Where it merges words into one event, their phones are divided by the words'
stand-alone phone counts; where it gives a sonorant no time of its own after a vowel, the sonorant gets the last third
of that vowel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import resample_poly

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.standin.espeak import ENGINE_RATE, Engine, Event, Library
from gesturebench.common.corpus.standin.phones import Phone, arpabet, is_pause
from gesturebench.common.corpus.standin.script import Script, Token

_SHORTEST_S = 0.012


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: engine voice, words per minute, pitch and pitch range (0 to 99)."""

    name: str
    rate: int
    pitch: int
    pitch_range: int


@dataclass(frozen=True, slots=True)
class TimedWord:
    """Token number `index` of the script, when it is spoken, and its phones."""

    index: int
    start_s: float
    end_s: float
    phones: tuple[Phone, ...]


@dataclass(frozen=True, eq=False)
class Reading:
    """`audio` (S,) int16 at 16 kHz and one `TimedWord` per word token, in order."""

    audio: np.ndarray
    words: tuple[TimedWord, ...]

    @property
    def duration_s(self) -> float:
        return len(self.audio) / SAMPLE_RATE


def read_aloud(script: Script, voice: Voice, library: Library, rng: np.random.Generator) -> Reading:
    """Speak the script sentence by sentence with a pause of 0.2 to 0.6 s after each."""
    parts, words, offset, samples = [_silence(rng)], [], 0, 0
    samples = len(parts[0])
    seed = int(rng.integers(2**31))
    with Engine(
        library, voice.name, seed=seed, rate=voice.rate, pitch=voice.pitch, pitch_range=voice.pitch_range
    ) as engine:
        for sentence in script.sentences:
            audio, events = engine.synthesise(_sentence_text(sentence)[0])
            spoken = _timed_words(sentence, events, len(audio), engine)
            words += [_moved(w, offset, samples / ENGINE_RATE) for w in spoken]
            parts += [audio, _silence(rng)]
            samples += len(audio) + len(parts[-1])
            offset += len(sentence)
    wave = resample_poly(np.concatenate(parts).astype(np.float32), 320, 441)
    return Reading(np.clip(np.round(wave), -32768, 32767).astype(np.int16), tuple(words))


def engine_version(library: Library) -> str:
    with Engine(library, "en") as engine:
        return engine.version


def _silence(rng: np.random.Generator) -> np.ndarray:
    return np.zeros(int(rng.uniform(0.2, 0.6) * ENGINE_RATE), np.int16)


def _sentence_text(sentence: Sequence[Token]) -> tuple[str, list[int]]:
    """The sentence as text, and the character position of each word token."""
    text, starts = "", []
    for token in sentence:
        if token.is_word:
            text += " " if text else ""
            starts.append(len(text))
        text += token.surface
    return text, starts


def _timed_words(sentence: Sequence[Token], events: Sequence[Event], n_samples: int, engine: Engine) -> list[TimedWord]:
    starts = _sentence_text(sentence)[1]
    tokens = [i for i, token in enumerate(sentence) if token.is_word]
    groups = _divided(_phones_by_word(starts, events, n_samples), [sentence[i].surface.lower() for i in tokens], engine)
    return [
        TimedWord(i, phones[0].start_s, phones[-1].end_s, tuple(phones))
        for i, phones in zip(tokens, groups, strict=True)
    ]


def _phones_by_word(starts: Sequence[int], events: Sequence[Event], n_samples: int) -> list[list[Phone]]:
    """Phones under the word that was announced last; a word without an event of its own stays empty."""
    words: list[list[Phone]] = [[] for _ in starts]
    current = 0
    for event, (begin, end) in zip(events, _intervals(events, n_samples)):
        if not event.phone:
            current = max(0, int(np.searchsorted(starts, event.position, side="right")) - 1)
        elif not is_pause(event.phone):
            symbol, stress = arpabet(event.phone)
            words[current].append(Phone(symbol, stress, begin, end))
    return words


def _intervals(events: Sequence[Event], n_samples: int) -> list[tuple[float, float]]:
    """Time of every event in seconds: a phone lasts until the next phone or pause begins."""
    phones = [i for i, event in enumerate(events) if event.phone]
    edges = np.array([events[i].sample for i in phones] + [n_samples]) / ENGINE_RATE
    for k in range(1, len(phones)):
        if (
            edges[k + 1] - edges[k] < _SHORTEST_S
            and not is_pause(events[phones[k]].phone)
            and not is_pause(events[phones[k - 1]].phone)
        ):
            edges[k] = edges[k - 1] + 0.67 * (edges[k + 1] - edges[k - 1])
    times = [(0.0, 0.0)] * len(events)
    for k, i in enumerate(phones):
        times[i] = (float(edges[k]), float(edges[k + 1]))
    return times


def _divided(words: list[list[Phone]], texts: list[str], engine: Engine) -> list[list[Phone]]:
    """Give every word phones: words that share an event split it in proportion to their stand-alone phone counts."""
    out: list[list[Phone]] = []
    i = 0
    while i < len(words):
        stop = i + 1
        while stop < len(words) and not words[stop]:
            stop += 1
        out += _split(words[i], [engine.phone_count(text) for text in texts[i:stop]]) if stop > i + 1 else [words[i]]
        i = stop
    return out


def _split(phones: list[Phone], counts: list[int]) -> list[list[Phone]]:
    """Cut a run of phones at the rounded cumulative shares; every part gets at least one phone.

    A run with fewer phones than words ("of a" said as one vowel) is first refined by halving its longest phone.
    """
    phones = list(phones)
    while len(phones) < len(counts):
        k = max(range(len(phones)), key=lambda j: phones[j].end_s - phones[j].start_s)
        phones[k : k + 1] = _halves(phones[k])
    cuts = np.round(np.cumsum([0, *counts]) / sum(counts) * len(phones)).astype(int)
    for k in range(1, len(counts)):
        cuts[k] = min(max(cuts[k], cuts[k - 1] + 1), len(phones) - (len(counts) - k))
    return [phones[a:b] for a, b in pairwise(cuts)]


def _halves(phone: Phone) -> list[Phone]:
    middle = (phone.start_s + phone.end_s) / 2
    return [
        Phone(phone.symbol, phone.stress, phone.start_s, middle),
        Phone(phone.symbol, phone.stress, middle, phone.end_s),
    ]


def _moved(word: TimedWord, tokens: int, seconds: float) -> TimedWord:
    phones = tuple(Phone(p.symbol, p.stress, p.start_s + seconds, p.end_s + seconds) for p in word.phones)
    return TimedWord(word.index + tokens, word.start_s + seconds, word.end_s + seconds, phones)
