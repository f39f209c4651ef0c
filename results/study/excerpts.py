"""Which seconds of which clips are shown: the same for every pair."""

from collections.abc import Sequence
from dataclasses import dataclass

from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.seeds import numpy_generator

SHORTEST_S = 2.0
PAUSE_S, LEAD_S = 0.25, 0.15
"""An excerpt begins a little before a word that follows a pause, where there is one."""


@dataclass(frozen=True)
class Excerpt:
    """Frames `start` to `stop` (exclusive) of a clip."""

    clip: str
    start: int
    stop: int


def choose_excerpts(
    clips: ClipStore, ids: Sequence[str], fps: float, n: int, seconds: float, seed: int
) -> tuple[Excerpt, ...]:
    """n clips, no clip twice, and of each an excerpt of `seconds`, or the whole clip if it is shorter."""
    long = [clip for clip in sorted(ids) if clips.n_frames(clip) >= SHORTEST_S * fps]
    if n > len(long):
        raise InputError(
            f"--n {n}", expected=f"at most {len(long)}, the clips of the protocol that last {SHORTEST_S:g} s or more"
        )
    rng = numpy_generator("study", seed)
    chosen = [long[i] for i in sorted(rng.choice(len(long), n, replace=False))]
    return tuple(_excerpt(clips, clip, fps, seconds, seed) for clip in chosen)


def _excerpt(clips: ClipStore, clip: str, fps: float, seconds: float, seed: int) -> Excerpt:
    total, length = clips.n_frames(clip), round(seconds * fps)
    if total <= length:
        return Excerpt(clip, 0, total)
    starts = beginnings(clips.speech(clip).words, (total - length) / fps) or [0.0]
    start = int(starts[numpy_generator("study", seed, clip).integers(len(starts))] * fps)
    return Excerpt(clip, start, start + length)


def beginnings(words: Sequence[Word], latest_s: float) -> list[float]:
    """Seconds at which an excerpt may begin, none after `latest_s`.

    >>> beginnings([Word("so", 0.5, 1.0), Word("we", 1.0, 1.5), Word("go", 2.0, 3.0)], 5)
    [0.35, 1.85]
    """
    ends = [0.0, *(word.end_s for word in words)]
    starts = [word.start_s - LEAD_S for word, end in zip(words, ends) if word.start_s - end >= PAUSE_S]
    return [round(start, 6) for start in starts if 0 <= start <= latest_s]
