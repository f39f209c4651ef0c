"""What a motion base holds: histograms of duration, words and flags, and how much of the speech it covers."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gesturebench.methods.exges.retrieval.entries import Entries
from gesturebench.methods.exges.retrieval.segmentation import FLAGS

if TYPE_CHECKING:
    from gesturebench.methods.exges.retrieval.base_fitting import ClipSegments

BIN_S = 0.1
LAST_S, LAST_WORDS = 3.0, 16
"""Where the histograms end; what is beyond counts in the last bin."""


def described(entries: Entries, found: Sequence["ClipSegments"]) -> dict[str, Any]:
    """Of entries: counts, histograms (`seconds` in bins of 0.1 s, `words`, `flags`); of all segments of the split:
    `flags`; `coverage`: which share of the time that words take, and of all words, stands in the base."""
    segments = [segment for clip in found for segment in clip.segments]
    spoken_s = sum(word.end_s - word.start_s for segment in segments for word in segment.words)
    said = sum(len(segment.words) for segment in segments)
    return {
        "entries": len(entries),
        "recordings": len(np.unique(entries.clip)),
        "recordings_without_entries": sorted(set(entries.clips) - {entries.clips[k] for k in np.unique(entries.clip)}),
        "frames": int(entries.frames.sum()),
        "per_speaker": {speaker: len(ids) for speaker, ids in entries.of_speaker.items()},
        "seconds": _histogram(entries.end_s - entries.start_s, BIN_S, LAST_S),
        "words": _histogram(entries.words, 1, LAST_WORDS),
        "flags": {flag: int((entries.flag == number).sum()) for number, flag in enumerate(FLAGS)},
        "segments": {"count": len(segments), "flags": flag_counts(found)},
        "coverage": {
            "speech_time": float(entries.spoken_s.sum() / spoken_s) if spoken_s else 0.0,
            "words": float(entries.words.sum() / said) if said else 0.0,
        },
    }


def flag_counts(found: Sequence["ClipSegments"]) -> dict[str, int]:
    counts = Counter(segment.flag for clip in found for segment in clip.segments)
    return {flag: counts[flag] for flag in FLAGS}


def flags_line(found: Sequence["ClipSegments"]) -> str:
    """
    >>> flags_line([])
    'ok 0, few_words 0, many_words 0, short 0, long 0'
    """
    return ", ".join(f"{flag} {count}" for flag, count in flag_counts(found).items())


def _histogram(values: np.ndarray, step: float, last: float) -> dict[str, list[float]]:
    """`from`: where each bin begins; `count`."""
    places = np.clip(np.floor(np.round(values / step, 6)).astype(int), 0, round(last / step))
    counts = np.bincount(places)
    return {"from": [round(k * step, 6) for k in range(len(counts))], "count": counts.tolist()}
