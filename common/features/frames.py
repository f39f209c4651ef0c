"""Annotations as one value per motion frame: which interval a frame lies in, and what that interval says.

Legend: T frames; frame k stands for the moment k / fps.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gesturebench.common.corpus.clip import GestureLabel, Word
from gesturebench.common.corpus.vocabulary import PAD, UNKNOWN, Vocabulary


def first_interval(spans: Sequence[tuple[float, float]], n_frames: int, fps: float) -> np.ndarray:
    """(T,) int64: the first of the (start, end) spans with start <= k / fps <= end, -1 where there is none.

    Both ends count, so a frame on a boundary belongs to the span that is listed first.

    >>> first_interval([(0.0, 0.1), (0.1, 0.2)], n_frames=4, fps=10.0).tolist()
    [0, 0, 1, -1]
    """
    times = np.arange(n_frames) / fps
    found = np.full(n_frames, -1, np.int64)
    for index, (start_s, end_s) in reversed(list(enumerate(spans))):
        first, stop = np.searchsorted(times, start_s, "left"), np.searchsorted(times, end_s, "right")
        found[first:stop] = index
    return found


def semantic_scores(labels: Sequence[GestureLabel], n_frames: int, fps: float = 30.0) -> np.ndarray:
    """(T,) float32: the score of the first gesture label that holds the frame, 0 where there is none.

    Rows may overlap and leave gaps; the order of the file decides (beat2-format: "the first match wins").
    """
    found = first_interval([(label.start_s, label.end_s) for label in labels], n_frames, fps)
    return np.array([label.score for label in labels] + [0.0], np.float32)[found]


def word_indices(words: Sequence[Word], vocabulary: Vocabulary, n_frames: int, fps: float = 30.0) -> np.ndarray:
    """(T,) int32 vocabulary index of the word spoken at each frame, as EMAGE's loader assigns them.

    `words` are the intervals of the TextGrid in order; the silences between them may be listed or left out, they own
    their boundaries either way. A mark of one blank is PAD; silence is looked up like the word "" (so it is UNKNOWN
    unless the vocabulary lists it), and so is a frame behind the last interval.
    """
    intervals = _with_silences(words)
    found = first_interval([(word.start_s, word.end_s) for word in intervals], n_frames, fps)
    indices = [PAD if word.text == " " else vocabulary.index(word.text) for word in intervals]
    return np.array([*indices, UNKNOWN], np.int32)[found]


def _with_silences(words: Sequence[Word]) -> list[Word]:
    """Empty words in the gaps; a reader that drops silence loses the fact that it ends where the next word starts."""
    filled = [Word("", 0.0, words[0].start_s)] if words and words[0].start_s > 0 else []
    for word, following in pairwise(words):
        filled.append(word)
        if following.start_s > word.end_s:
            filled.append(Word("", word.end_s, following.start_s))
    return filled + list(words[-1:])


def repeated(value: int, n_frames: int) -> np.ndarray:
    """(T, 1) int32: what holds for the whole clip (speaker, emotion), once per frame."""
    return np.full((n_frames, 1), value, np.int32)
