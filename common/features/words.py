"""Words as vectors, without a language model: a fixed random vector per word, so that equal words look equal."""

import hashlib
from functools import lru_cache
from math import ceil, sqrt

import numpy as np

from gesturebench.common.corpus.clip import Speech

DIM = 64
RATE = 30
_PUNCTUATION = " .,;:!?\"'()[]-"


@lru_cache(maxsize=65_536)
def word_vector(word: str) -> np.ndarray:
    """(64,) float32, uniform with mean 0 and variance 1, drawn from the SHAKE-128 hash of the bare lower-case word.

    The same on every machine and for ever: no generator is involved. Case and punctuation at the ends do not matter.

    >>> bool((word_vector("Hello,") == word_vector("hello")).all())
    True
    """
    digest = hashlib.shake_128(word.lower().strip(_PUNCTUATION).encode()).digest(4 * DIM)
    uniform = (np.frombuffer(digest, "<u4") + 0.5) / 2**32
    vector = (sqrt(12) * (uniform - 0.5)).astype(np.float32)
    vector.setflags(write=False)
    return vector


def words(speech: Speech) -> np.ndarray:
    """(T, 64): row k is the vector of the word spoken at k / 30 s, zero in silence.

    A word holds the frames in [start, end), and at least the one nearest to its start; the later of two words wins.
    """
    n = speech.n_frames(RATE)
    rows = np.zeros((n, DIM), dtype=np.float32)
    for word in speech.words:
        first, last = ceil(word.start_s * RATE - 1e-6), ceil(word.end_s * RATE - 1e-6)
        if first >= last:
            first = round(word.start_s * RATE)
        rows[max(first, 0) : max(last, first + 1, 0)] = word_vector(word.text)
    return rows
