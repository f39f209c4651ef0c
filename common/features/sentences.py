"""Sentences through a frozen encoder: token features that networks read, and one vector by which retrieval compares.

Legend: N tokens of a sentence, D their width, E width of the pooled vector.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Protocol

import numpy as np

from gesturebench.common.errors import InputError
from gesturebench.common.features.clip_text import ClipText, ClipTextConfig
from gesturebench.common.features.pretrained import Pretrained, width_of
from gesturebench.common.features.sentence_config import SentenceConfig
from gesturebench.common.features.text_encoder import TextEncoder, TextEncoderConfig, word_means
from gesturebench.common.features.window_text import hashed_rows
from gesturebench.common.features.words import DIM

REMEMBERED = 4096
"""Sentences whose features are kept: those of a corpus repeat."""


class SentenceEncoder(Protocol):
    """Texts in, features out; equal texts have equal features, whatever stands beside them."""

    def tokens(self, sentences: Sequence[str]) -> list[np.ndarray]:
        """(N, D) float32 of each, cut off at the configured number of tokens; hashed words of "" are (0, D)."""

    def pooled(self, sentences: Sequence[str]) -> np.ndarray:
        """(sentences, E) float32; zeros for a sentence without words."""


class HashedWords:
    """Every word its own fixed vector."""

    def __init__(self, config: SentenceConfig):
        self._limit = config.tokens

    def tokens(self, sentences: Sequence[str]) -> list[np.ndarray]:
        return [_rows(sentence)[: self._limit] for sentence in sentences]

    def pooled(self, sentences: Sequence[str]) -> np.ndarray:
        return np.stack([_mean(_rows(sentence)) for sentence in sentences])


class LanguageModel:
    """A masked language model: the tokens of the sentence with both special ones; their mean without those."""

    def __init__(self, config: SentenceConfig, source: Pretrained, device: str):
        self._limit = config.tokens
        self._reader = TextEncoder(TextEncoderConfig(model=source.model, revision=source.revision), device)
        self._read = lru_cache(REMEMBERED)(lambda sentence: self._reader.read([sentence.split()])[0])

    def tokens(self, sentences: Sequence[str]) -> list[np.ndarray]:
        return [self._read(sentence)[0][: self._limit] for sentence in sentences]

    def pooled(self, sentences: Sequence[str]) -> np.ndarray:
        return np.stack([self._pooled(sentence) for sentence in sentences])

    def _pooled(self, sentence: str) -> np.ndarray:
        tokens, owners = self._read(sentence)
        return word_means(tokens, (owners >= 0) - 1, 1)[0]


class ClipSentences:
    """CLIP's text tower: all positions, padding included, and the projected end-of-text token (ReMoDiffuse)."""

    def __init__(self, source: Pretrained, device: str):
        names = {"model": source.model, "revision": source.revision}
        self._tokens = ClipText(ClipTextConfig(**names, output="tokens"), device)
        self._sentence = ClipText(ClipTextConfig(**names, output="sentence"), device)
        self._read = lru_cache(REMEMBERED)(self._tokens.text)

    def tokens(self, sentences: Sequence[str]) -> list[np.ndarray]:
        return [self._read(sentence) for sentence in sentences]

    def pooled(self, sentences: Sequence[str]) -> np.ndarray:
        rows = {sentence: self._sentence.text(sentence)[0] for sentence in dict.fromkeys(sentences)}
        return np.stack([rows[s] if s else np.zeros_like(rows[s]) for s in sentences])


@cache
def sentence_encoder(config: SentenceConfig, device: str = "cpu") -> SentenceEncoder:
    """One per configuration and device in a process; a model is loaded with its first sentence."""
    if config.encoder == "words":
        return HashedWords(config)
    if config.model is None:
        raise InputError(
            f"a sentence encoder {config.encoder!r} without a model",
            expected="the name of a model on the hub, or a folder",
            remedy="set text.model.model, or text.encoder=words",
        )
    if config.encoder == "clip":
        return ClipSentences(config.model, device)
    return LanguageModel(config, config.model, device)


def token_width(config: SentenceConfig) -> int:
    """D, for those that plan: no model is loaded."""
    return DIM if config.encoder == "words" or config.model is None else width_of(config.model)


def padded_tokens(tokens: Sequence[np.ndarray], length: int) -> np.ndarray:
    """(sentences, length, D), zeros behind the end of each."""
    rows = np.zeros((len(tokens), length, tokens[0].shape[1]), np.float32)
    for row, own in zip(rows, tokens):
        row[: len(own)] = own
    return rows


@lru_cache(REMEMBERED)
def _rows(sentence: str) -> np.ndarray:
    words = sentence.split()
    return hashed_rows(words) if words else np.zeros((0, DIM), np.float32)


def _mean(rows: np.ndarray) -> np.ndarray:
    return rows.mean(0) if len(rows) else np.zeros(rows.shape[1], np.float32)
