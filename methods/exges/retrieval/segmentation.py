"""Speech into segments of 1 to 2 s and 4 to 8 whole words (Zhou et al. 2025, section 3.1; the paper says no more: how
cuts are chosen is this reconstruction's).

Within a run of words without a long silence, cuts between words minimise the sum over segments of

    10 max(0, d - 2) + 10 max(0, 1 - d) + max(0, 4 - n) + max(0, n - 8) - 0.5 [a pause of 0.15 s follows]

with d the duration in seconds from the first word to the end of the last, n their number. No segment of several words
is longer than 2 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Literal

from gesturebench.common.corpus.clip import Word
from gesturebench.methods.exges.retrieval.config import SegmentConfig

Flag = Literal["ok", "few_words", "many_words", "short", "long"]
"""`short`: below a second even with the silence around it; `long`: a single word of more than 2 s."""
FLAGS: tuple[Flag, ...] = ("ok", "few_words", "many_words", "short", "long")
MICRO = 1_000_000
"""Costs are whole millionths: equal costs are equal, whatever was added first."""
OUTSIDE, PAUSE = 10, MICRO // 2


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that are looked up together, from `start_s` to `end_s` with the silence that was needed to reach a second.
    Segments do not overlap."""

    start_s: float
    end_s: float
    words: tuple[Word, ...]
    flag: Flag

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def frames(self, total: int, fps: float = 30) -> tuple[int, int]:
        """First frame and the one after the last of a motion of `total` frames; every touched frame counts.

        >>> Segment(0.05, 1.0, (), "ok").frames(100)
        (1, 30)
        """
        first, stop = floor(round(self.start_s * fps, 6)), ceil(round(self.end_s * fps, 6))
        return min(first, total), min(stop, total)


def segments_of(words: Sequence[Word], duration_s: float, rule: SegmentConfig) -> list[Segment]:
    """The segments of a speech of `duration_s` seconds from its cleaned words, in the order of time.

    >>> said = [Word(f"w{k}", 0.3 * k, 0.3 * k + 0.3) for k in range(8)]
    >>> [(round(s.start_s, 2), round(s.end_s, 2), len(s.words), s.flag) for s in segments_of(said, 3, SegmentConfig())]
    [(0.0, 1.2, 4, 'ok'), (1.2, 2.4, 4, 'ok')]
    """
    cut = [part for run in _runs(words, rule.break_s) for part in _best_cuts(run, rule)]
    segments: list[Segment] = []
    for number, part in enumerate(cut):
        free_from = segments[-1].end_s if segments else 0.0
        free_to = cut[number + 1][0].start_s if number + 1 < len(cut) else max(duration_s, part[-1].end_s)
        start_s, end_s = _extended(part[0].start_s, part[-1].end_s, free_from, free_to, rule.shortest_s)
        segments.append(Segment(start_s, end_s, tuple(part), _flag(part, end_s - start_s, rule)))
    return segments


def is_entry(segment: Segment, rule: SegmentConfig) -> bool:
    """Whether a segment of the training split belongs into the base; others may still ask."""
    if segment.flag == "long":
        return segment.end_s - segment.start_s <= rule.kept_s
    return segment.flag != "short" and len(segment.words) >= rule.entry_words


def _runs(words: Sequence[Word], break_s: float) -> list[list[Word]]:
    """Words between silences of `break_s` and more."""
    runs: list[list[Word]] = []
    for word in words:
        if runs and _silence(runs[-1][-1], word) < break_s:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _best_cuts(run: Sequence[Word], rule: SegmentConfig) -> list[Sequence[Word]]:
    """The cheapest segmentation of a run; of equals that of fewest segments, then that with the earlier cuts.

    best[i] is the cost of the words from the i-th on, their number of segments, and where the first of them ends.
    """
    count = len(run)
    best: list[tuple[float, int, int]] = [(inf, 0, 0)] * count + [(0, 0, count)]
    for i in reversed(range(count)):
        for j in range(i + 1, count + 1):
            duration_s = round(run[j - 1].end_s - run[i].start_s, 6)
            if j > i + 1 and duration_s > rule.longest_s:
                break
            pauses = j == count or _silence(run[j - 1], run[j]) >= rule.pause_s
            cost = _cost(duration_s, j - i, pauses, rule) + best[j][0]
            best[i] = min(best[i], (cost, best[j][1] + 1, j))
    parts, i = [], 0
    while i < count:
        parts.append(run[i : best[i][2]])
        i = best[i][2]
    return parts


def _silence(before: Word, after: Word) -> float:
    """Seconds between two words, without what subtracting rounds."""
    return round(after.start_s - before.end_s, 6)


def _cost(duration_s: float, words: int, pauses: bool, rule: SegmentConfig) -> int:
    over_s, under_s = duration_s - rule.longest_s, rule.shortest_s - duration_s
    time = OUTSIDE * round(MICRO * max(0.0, over_s, under_s))
    return time + MICRO * max(0, rule.fewest - words, words - rule.most) - PAUSE * pauses


def _extended(start_s: float, end_s: float, free_from: float, free_to: float, wanted_s: float) -> tuple[float, float]:
    """A span made `wanted_s` long with silence from both sides equally, from one side where the other has no more."""
    need = wanted_s - (end_s - start_s)
    if need <= 0:
        return start_s, end_s
    before, after = max(0.0, start_s - free_from), max(0.0, free_to - end_s)
    left = min(before, max(need / 2, need - after))
    right = min(after, need - left)
    return max(start_s - left, min(free_from, start_s)), min(
        end_s + right, max(free_to, end_s)
    )  # whatever rounding did


def _flag(words: Sequence[Word], duration_s: float, rule: SegmentConfig) -> Flag:
    if round(duration_s - rule.longest_s, 6) > 0:
        return "long"
    if round(rule.shortest_s - duration_s, 6) > 0:
        return "short"
    return "few_words" if len(words) < rule.fewest else "many_words" if len(words) > rule.most else "ok"
