"""What the network reads: the row of the table of words at every frame."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.vocabulary import UNKNOWN, Vocabulary
from gesturebench.common.errors import InputError
from gesturebench.common.features.frames import word_indices
from gesturebench.methods.mambatalk.config import SpeechConfig

FPS = 30


class HashedWords:
    """A stand-in for a vocabulary: a word's row is its hash, so that two words may share one."""

    def __init__(self, rows: int):
        self._rows = rows

    def index(self, word: str) -> int:
        first = UNKNOWN + 1
        return first + crc32(word.lower().encode()) % (self._rows - first) if word else UNKNOWN


def word_table(config: SpeechConfig, store: ClipStore) -> Vocabulary | HashedWords:
    """Words -> rows, as configured."""
    if config.words == "hashed":
        return HashedWords(config.word_rows)
    vocabulary = store.vocabulary
    if len(vocabulary) != config.word_rows:
        raise InputError(
            f"{store.path}: a vocabulary of {len(vocabulary)} rows",
            expected=f"{config.word_rows}, as speech.word_rows says",
            remedy="set speech.word_rows, or speech.words=hashed",
        )
    return vocabulary


def word_rows(words: Sequence[Word], table: Vocabulary | HashedWords, n_frames: int) -> np.ndarray:
    """(T,) int64."""
    return word_indices(words, table, n_frames, FPS).astype(np.int64)


def word_vectors(config: SpeechConfig, store: ClipStore) -> np.ndarray | None:
    """(rows, width) float32 that the table starts from, None where the corpus has none."""
    vectors = store.vocabulary.vectors if config.words == "vocabulary" else None
    if vectors is not None and vectors.shape[1] != config.word_width:
        raise InputError(
            f"{store.path}: word vectors of {vectors.shape[1]} numbers",
            expected=f"{config.word_width}, as speech.word_width says",
            remedy="set speech.word_width",
        )
    return vectors
