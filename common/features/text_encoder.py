"""Words as a language model reads them: one vector per token, per word, and per motion frame.

Legend: N tokens of a sentence with its two special ones, W words, T motion frames, D width of the model.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.common.features.pretrained import Pretrained, load_model, load_tokenizer, passport
from gesturebench.common.features.speech_encoder import summed_layers

BATCH = 32
"""Sentences that are read together."""
REMEMBERED = 1024
"""Sentences whose spelling is."""
MAY_MISS = ("pooler.", "embeddings.position_ids")
"""Not read here: the layer that BERT puts on its first token, and a buffer of old files."""


class TextEncoderConfig(Pretrained):
    """Which hidden states of which masked language model.

    The published features of RAG-Gesture are the sum of the last four layers of `bert-base-cased` at 15 fps, of what
    the discourse parser read (`source`: the `tokens`; `transcript` are the recognised words without punctuation, and
    `words` the aligned ones).
    """

    layers: tuple[int, ...] = Field((-4, -3, -2, -1), min_length=1)
    fps: Literal[15, 30] = 30
    source: Literal["words", "transcript", "tokens"] = "words"


class TextEncoder:
    """A pretrained language model as a feature; loaded when the first row is computed."""

    name, version = "text", 1

    def __init__(self, config: TextEncoderConfig, device: str = "cpu"):
        self.config, self.device = config, device
        self._spelt = lru_cache(REMEMBERED)(lambda words: tokenised(self._tokenizer, words))

    def passport(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return passport(self.config, self.version)

    def rows(self, speech: Speech) -> np.ndarray:
        """(T, D) float32 with T = speech.n_frames(fps): the vector of the word spoken, zero in silence.

        A clip with more words than the model reads at once is read in parts.
        """
        words = merged(getattr(speech, self.config.source))
        vectors_WD = [self.words([word.text for word in part]) for part in self.parts(words)]
        n = speech.n_frames(self.config.fps)
        if not vectors_WD:
            return np.zeros((n, self.width), np.float32)
        return placed(words, np.concatenate(vectors_WD), n, self.config.fps)

    @property
    def width(self) -> int:
        return self._model.config.hidden_size

    def words(self, words: Sequence[str]) -> np.ndarray:
        """(W, D) float32: each word's mean over its tokens, read in the sentence they form together."""
        tokens_ND, word_ids = self._read(words)
        return word_means(tokens_ND, word_ids, len(words))

    def tokens(self, words: Sequence[str]) -> np.ndarray:
        """(N, D) float32: the sentence, its first and last special token included."""
        return self._read(words)[0]

    def fits(self, words: Sequence[str]) -> bool:
        """Whether the model can read the sentence at once; RAG-Gesture leaves out windows that it cannot."""
        return len(self.spelt(words)[0]) <= self._limit

    def spelt(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """`tokenised` by this model's tokenizer; sentences are asked for more than once."""
        return self._spelt(tuple(words))

    def read(self, sentences: Sequence[Sequence[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each sentence its tokens (N, D) float32 and the number of the word (N,) that each belongs to, -1 for the
        special ones. Sentences are read together, `BATCH` at a time and similar lengths beside each other.
        """
        spelt = [self.spelt(words) for words in sentences]
        longest = max((len(ids) for ids, _ in spelt), default=0)
        if longest > self._limit:
            raise InputError(
                f"{self.config.model}: a sentence of {longest} tokens",
                expected=f"at most {self._limit}",
                remedy="cut the speech into windows",
            )
        order = sorted(range(len(spelt)), key=lambda k: len(spelt[k][0]))
        read: dict[int, np.ndarray] = {}
        for first in range(0, len(order), BATCH):
            part = order[first : first + BATCH]
            read |= zip(part, self._hidden([spelt[k][0] for k in part]))
        return [(read[k], np.array(owners, np.int64)) for k, (_, owners) in enumerate(spelt)]

    def _read(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        return self.read([words])[0]

    @torch.inference_mode()
    def _hidden(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """(N, D) float32 of each sentence; the shorter ones are filled up with tokens that nothing looks at."""
        lengths = [len(sentence) for sentence in ids]
        fill = self._tokenizer.pad_token_id or 0
        filled = torch.tensor([[*sentence, *[fill] * (max(lengths) - len(sentence))] for sentence in ids])
        attended = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        output = self._model(
            filled.to(self.device), attention_mask=attended.long().to(self.device), output_hidden_states=True
        )
        summed = summed_layers(output, self.config.layers).float().cpu().numpy()
        return [rows[:length] for rows, length in zip(summed, lengths)]

    def parts(self, words: Sequence[Word]) -> Iterator[list[Word]]:
        """Runs of words, each as long as fits; words are spelt one by one, so their tokens can be counted at once."""
        ids, owners = self.spelt([word.text for word in words])
        counts = np.bincount([owner for owner in owners if owner >= 0], minlength=len(words))
        special = len(ids) - int(counts.sum())
        part: list[Word] = []
        size = special
        for word, count in zip(words, counts.tolist()):
            if part and size + count > self._limit:
                yield part
                part, size = [], special
            part.append(word)
            size += count
        if part:
            yield part

    @cached_property
    def _limit(self) -> int:
        return min(self._model.config.max_position_embeddings, self._tokenizer.model_max_length)

    @cached_property
    def _model(self) -> Any:
        return load_model(self.config, "AutoModel", MAY_MISS).to(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self.config)


def tokenised(tokenizer: Any, words: Sequence[str]) -> tuple[list[int], list[int]]:
    """Token ids of a sentence of words, and the number of the word that each spells, -1 for the special ones.

    This is what the released code comes to, which counts the pieces of each word that do not continue another
    (no "##"), and takes that many of the sentence's pre-tokens.
    """
    encoding = tokenizer(list(words), is_split_into_words=True)
    return encoding.input_ids, [-1 if word is None else word for word in encoding.word_ids()]


def merged(words: Sequence[Word]) -> tuple[Word, ...]:
    """Words with punctuation joined to the word before, which transcripts list as tokens of the same time interval.

    >>> [word.text for word in merged([Word("slow", 0, 1), Word(",", 0, 1), Word("walk", 1, 2)])]
    ['slow,', 'walk']
    """
    joined: list[Word] = []
    for word in words:
        last = joined[-1] if joined else None
        if last is not None and (last.start_s, last.end_s) == (word.start_s, word.end_s):
            joined[-1] = Word(last.text + word.text, word.start_s, word.end_s)
        else:
            joined.append(word)
    return tuple(joined)


def word_means(tokens_ND: np.ndarray, word_ids: Sequence[int], n_words: int) -> np.ndarray:
    """(W, D): the mean over the tokens of each word; `word_ids` tells which word a token belongs to. A word without
    tokens is zero."""
    member_WN = (np.arange(n_words)[:, None] == np.asarray(word_ids)[None]).astype(tokens_ND.dtype)
    return member_WN @ tokens_ND / np.maximum(member_WN.sum(axis=1, keepdims=True), 1)


def placed(words: Sequence[Word], vectors_WD: np.ndarray, n_frames: int, fps: float) -> np.ndarray:
    """(T, D) float32: word w holds the frames int(start fps) to int(end fps) - 1; later words overwrite, silence is
    zero, and a word within one frame vanishes (RAG-Gesture)."""
    rows = np.zeros((n_frames, vectors_WD.shape[1]), np.float32)
    for word, vector in zip(words, vectors_WD):
        rows[max(int(word.start_s * fps), 0) : max(int(word.end_s * fps), 0)] = vector
    return rows
