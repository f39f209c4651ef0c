"""Speech phrases: the units of variable length that retrieval compares (remodiffuse, 12.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from gesturebench.common.corpus.clip import Word
from gesturebench.common.retrieval.phrase_config import PhraseConfig

AS_USUAL = PhraseConfig()


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words said in one go, in seconds of their recording."""

    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        return max(word.end_s for word in self.words)

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def frames(self, fps: float) -> tuple[int, int]:
        """First frame and number of frames, at least one, that meet the phrase.

        >>> Phrase((Word("so", 0.5, 1.01),)).frames(15)
        (7, 9)
        """
        first = floor(self.start_s * fps + 1e-6)
        return first, max(1, ceil(self.end_s * fps - 1e-6) - first)


def phrases_of(words: Sequence[Word], rule: PhraseConfig = AS_USUAL) -> list[Phrase]:
    """Runs of words with pauses below `gap_s`; a run longer than `longest_s` is halved until none is, at the end of the
    word nearest to its middle; a phrase shorter than `shortest_s` joins the nearer neighbour, unless that would make it
    longer than `longest_s`.

    >>> said = [Word("well", 0, 0.4), Word("I", 0.5, 0.7), Word("think", 0.7, 1.2), Word("so", 2.0, 3.2)]
    >>> [phrase.text for phrase in phrases_of(said)]
    ['well I think', 'so']
    """
    said = sorted((word for word in words if word.text.strip()), key=lambda word: (word.start_s, word.end_s))
    halves = [half for run in _runs(said, rule.gap_s) for half in _halved(Phrase(tuple(run)), rule.longest_s)]
    return _joined(halves, rule)


def _runs(words: Sequence[Word], gap_s: float) -> list[list[Word]]:
    runs: list[list[Word]] = []
    end_s = 0.0
    for word in words:
        if runs and word.start_s - end_s < gap_s:
            runs[-1].append(word)
        else:
            runs.append([word])
        end_s = max(word.end_s, end_s) if len(runs[-1]) > 1 else word.end_s
    return runs


def _halved(phrase: Phrase, longest_s: float) -> list[Phrase]:
    """Pieces no longer than `longest_s`, but for single words that are."""
    if phrase.duration_s <= longest_s or len(phrase.words) == 1:
        return [phrase]
    middle_s = phrase.start_s + phrase.duration_s / 2
    cut = min(range(1, len(phrase.words)), key=lambda k: abs(phrase.words[k - 1].end_s - middle_s))
    return [piece for part in (phrase.words[:cut], phrase.words[cut:]) for piece in _halved(Phrase(part), longest_s)]


def _joined(phrases: list[Phrase], rule: PhraseConfig) -> list[Phrase]:
    """From left to right; of two neighbours equally near the earlier one."""
    done: list[Phrase] = []
    waiting = phrases[::-1]
    while waiting:
        phrase = waiting.pop()
        before, after = _fitting(done, phrase, rule), _fitting(waiting, phrase, rule)
        if phrase.duration_s >= rule.shortest_s or (before is None and after is None):
            done.append(phrase)
        elif after is None or (before is not None and _pause_s(before, phrase) <= _pause_s(phrase, after)):
            waiting.append(Phrase(done.pop().words + phrase.words))
        else:
            waiting.append(Phrase(phrase.words + waiting.pop().words))
    return done


def _fitting(neighbours: Sequence[Phrase], phrase: Phrase, rule: PhraseConfig) -> Phrase | None:
    """The neighbour at the end of a list, if both together are short enough."""
    if not neighbours:
        return None
    both = Phrase(neighbours[-1].words + phrase.words)
    start_s = min(neighbours[-1].start_s, phrase.start_s)
    return neighbours[-1] if both.end_s - start_s <= rule.longest_s else None


def _pause_s(earlier: Phrase, later: Phrase) -> float:
    return later.start_s - earlier.end_s


def spans(phrases: Sequence[Phrase]) -> np.ndarray:
    """(P, 2) start and end of each in seconds."""
    return np.array([(phrase.start_s, phrase.end_s) for phrase in phrases], float).reshape(-1, 2)


def in_window(spans_s: np.ndarray, start_s: float, end_s: float) -> list[int]:
    """Numbers of the phrases (P, 2) that a window meets: the one at its centre first, then by distance from the centre;
    of equally near ones the one of which the window holds more, then the earlier.

    >>> in_window(np.array([[0.0, 2.0], [2.5, 3.0], [3.2, 6.0], [9.0, 12.0]]), 0.0, 10.0)
    [2, 1, 0, 3]
    """
    first, last = spans_s[:, 0], spans_s[:, 1]
    centre_s = (start_s + end_s) / 2
    away_s = np.maximum(np.maximum(first - centre_s, centre_s - last), 0.0)
    held_s = np.minimum(last, end_s) - np.maximum(first, start_s)
    order = np.lexsort((-held_s, away_s))
    return order[held_s[order] > 0].tolist()
