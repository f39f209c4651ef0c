"""Speech as the speech tower reads it: tokens of words and of audio, each with the time at which it stands.

Legend: N units, W words, P pieces of audio, D widths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.embedding.config import EmbeddingConfig
from gesturebench.common.embedding.units import RATE
from gesturebench.common.features.registry import compute_feature, feature_named
from gesturebench.common.features.window_encoder import Heard, WindowEncoder, window_encoder
from gesturebench.common.features.window_text import hashed_rows, window_words
from gesturebench.common.features.words import DIM

PIECE_S = 0.2
"""Seconds of audio per token: 5 tokens a second."""


@dataclass(frozen=True, eq=False)
class SpokenUnit:
    """One unit: `text` (W, D) of its words, `text_s` (W,) their middles in seconds from its start, `audio` (P, D)."""

    text: np.ndarray
    text_s: np.ndarray
    audio: np.ndarray

    @cached_property
    def sentence(self) -> np.ndarray:
        """(D,) float32: the mean word, by which the rareness of a transcript is told."""
        return np.asarray(self.text, np.float32).mean(0)


class Spoken(NamedTuple):
    """Units side by side: `text` (N, W, D), `text_s` (N, W), `words` (N,) how many there are; `audio` (N, P, D),
    `pieces` (N,). Zeros fill up."""

    text: Tensor
    text_s: Tensor
    words: Tensor
    audio: Tensor
    pieces: Tensor


def token_widths(config: EmbeddingConfig) -> tuple[int, int]:
    """Widths of a word and of a piece of audio; 0 where audio is not read."""
    from gesturebench.common.features.pretrained import width_of

    text = width_of(config.bert) if config.text == "bert" else DIM
    if config.audio == "none":
        return text, 0
    return text, width_of(config.wav2vec2) if config.audio == "wav2vec2" else feature_named("mel").dim


def spoken_units(
    speech: Speech,
    spans: Sequence[tuple[int, int]],
    config: EmbeddingConfig,
    *,
    mel: np.ndarray | None = None,
    encoder: WindowEncoder | None = None,
) -> list[SpokenUnit]:
    """Frames [start, stop) at 30 fps of a speech. `mel` are the clip's rows of that feature where they are known;
    `encoder` reads for pretrained models, by default one that keeps what it has read in the user's cache."""
    encoding = config.encoding
    encoder = encoder or (encoding and window_encoder(encoding, "cpu"))
    heard = Heard.of(speech, encoding) if encoding else None
    words = [window_words(speech.words, start / RATE, stop / RATE) for start, stop in spans]
    texts = [text.vectors for text in encoder.texts(words)] if config.text == "bert" else _hashed(words)
    if config.audio == "mel" and mel is None:
        mel = compute_feature("mel", speech)
    units = []
    for (start, stop), said, text in zip(spans, words, texts):
        middles = np.array([(word.start_s + word.end_s) / 2 for word in said], np.float32)
        units.append(SpokenUnit(text, middles, _audio(config, start, stop, mel, encoder, heard)))
    return units


def _hashed(words: Sequence[Sequence]) -> list[np.ndarray]:
    return [hashed_rows([word.text for word in said]).reshape(-1, DIM) for said in words]


def _audio(
    config: EmbeddingConfig,
    start: int,
    stop: int,
    mel: np.ndarray | None,
    encoder: WindowEncoder | None,
    heard: Heard | None,
) -> np.ndarray:
    """(P, D) float32."""
    if config.audio == "mel":
        return pooled(mel[start:stop], round(PIECE_S * RATE))
    if config.audio == "none":
        return np.zeros((0, 0), np.float32)
    rows = encoder.audios(heard.wave(start, stop - start)[None])[0]
    return pooled(rows, max(1, round(PIECE_S * len(rows) * RATE / (stop - start))))


def pooled(rows: np.ndarray, per: int) -> np.ndarray:
    """Means over `per` rows each; the last piece may be shorter.

    >>> pooled(np.array([[1.0], [3.0], [5.0]]), 2).tolist()
    [[2.0], [5.0]]
    """
    starts = np.arange(0, len(rows), per)
    counts = np.diff([*starts, len(rows)])
    sums = np.add.reduceat(np.asarray(rows, np.float32), starts, axis=0) if len(rows) else np.asarray(rows, np.float32)
    return sums / counts[:, None]


def collated(units: Sequence[SpokenUnit]) -> Spoken:
    """Units side by side, as long as the longest of them."""
    counts = [torch.tensor([len(getattr(unit, name)) for unit in units]) for name in ("text", "audio")]
    text, text_s, audio = (_padded([getattr(unit, name) for unit in units]) for name in ("text", "text_s", "audio"))
    return Spoken(text, text_s, counts[0], audio, counts[1])


def _padded(rows: Sequence[np.ndarray]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(np.array(array, np.float32)) for array in rows], batch_first=True
    )
