"""The words of a window, and what a language model makes of them when it reads the window alone.

Legend: W words, N tokens of the sentence with its two special ones, T frames, D width of the model.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.text_encoder import merged, placed, word_means
from gesturebench.common.features.window_config import FPS, RATE, EmptyText, TextSource
from gesturebench.common.features.words import word_vector


def spoken(speech: Speech, source: TextSource = "tokens") -> tuple[Word, ...]:
    """What is said, in order: see `TextSource`."""
    return (speech.tokens or speech.words) if source == "tokens" else speech.words


def window_words(words: Sequence[Word], start_s: float, end_s: float) -> tuple[Word, ...]:
    """Those that lie inside the window as a whole, in seconds from its start, marks joined to their word.

    >>> [w.text for w in window_words([Word("so", 0, 1), Word("slow", 1, 2), Word(",", 1, 2)], 1.0, 3.0)]
    ['slow,']
    """
    inside = (word for word in words if word.start_s >= start_s and word.end_s <= end_s)
    return merged([replace(word, start_s=word.start_s - start_s, end_s=word.end_s - start_s) for word in inside])


def empty_windows(store: ClipStore, windows: Sequence[Window], source: TextSource = "tokens") -> set[Window]:
    """Those in which no word lies as a whole."""
    words = {clip: spoken(store.speech(clip), source) for clip in {window.clip_id for window in windows}}

    def is_empty(window: Window) -> bool:
        return not window_words(words[window.clip_id], window.start / RATE, (window.start + window.length) / RATE)

    return {window for window in windows if is_empty(window)}


def with_words(windows: Sequence[Window], empty: Set[Window], rule: EmptyText) -> list[Window]:
    """What is left of `windows` by the rule about those that are `empty`."""
    if rule == "kept":
        return list(windows)
    silent = {window.clip_id for window in empty}
    return [w for w in windows if (w not in empty if rule == "skipped" else w.clip_id not in silent)]


def hashed_rows(words: Sequence[str]) -> np.ndarray:
    """(W, 64): each word's own vector, whatever stands around it."""
    return np.stack([word_vector(word) for word in words]) if words else np.zeros((0, 1), np.float32)


@dataclass(frozen=True, eq=False)
class WindowText:
    """A window's words in seconds from its start, the tokens (N, D) of the sentence that they form, and the number of
    the word (N,) each token belongs to, -1 for the special ones."""

    words: tuple[Word, ...]
    tokens: np.ndarray
    owners: np.ndarray

    @property
    def vectors(self) -> np.ndarray:
        """(W, D): each word's mean over its tokens."""
        return word_means(self.tokens, self.owners, len(self.words))

    def frames(self, n_frames: int) -> np.ndarray:
        """(T, D) at 15 fps: the vector of the word spoken, zero in silence; see `placed`."""
        return placed(self.words, self.vectors, n_frames, FPS)
