"""What the network is told about a window of speech: tokens of its words, audio at the rate of the motion, the speaker.

Legend: B windows, N tokens, C their width, T frames at 15 fps, A audio channels, P rows of a speech encoder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech, Word
from gesturebench.common.corpus.names import ClipName, dense_speaker
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.device import device
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.common.features.pretrained import width_of
from gesturebench.common.features.registry import compute_feature, feature_named
from gesturebench.common.features.sentences import padded_tokens, sentence_encoder
from gesturebench.common.features.window_config import WindowEncoding
from gesturebench.common.features.window_encoder import SpeechEncoding
from gesturebench.common.features.window_text import window_words
from gesturebench.common.nn.positions import sinusoid
from gesturebench.methods.remodiffuse.config import ConditionConfig
from gesturebench.methods.remodiffuse.motion import FPS, STEP, STORE_FPS, frames_of

CLIPS_IN_MEMORY = 256
"""Of which audio channels and words are kept between two windows."""
Feature = Callable[[str], np.ndarray]
"""Name of a speech feature -> its rows (T at 30 fps, D) for one speech."""


@dataclass(frozen=True)
class Conditions:
    """Tokens (B, N, C), audio (B, T, A) with zeros past the end of the speech, dense speaker index (B,)."""

    text: Tensor
    audio: Tensor
    speaker: Tensor

    def to(self, device: torch.device) -> "Conditions":
        return Conditions(self.text.to(device), self.audio.to(device), self.speaker.to(device))

    @classmethod
    def joined(cls, several: Sequence["Conditions"]) -> "Conditions":
        """One batch out of several."""
        return cls(*(torch.cat([getattr(c, name) for c in several]) for name in ("text", "audio", "speaker")))


def audio_width(config: ConditionConfig) -> int:
    """A: channels of the feature, and the strength of onsets beside those that lack it."""
    if config.audio == "mel":
        return feature_named("mel").dim
    return 1 + (width_of(config.wav2vec2) if config.audio == "wav2vec2" else feature_named(config.audio).dim)


def audio_encoding(config: ConditionConfig) -> WindowEncoding | None:
    """The pretrained encoder that is heard, a clip at a time; None if the audio is a feature of the clip store."""
    if config.audio != "wav2vec2":
        return None
    return WindowEncoding(audio=config.wav2vec2, granularity="clip")


def audio_channels(feature: Feature, encoded_PD: np.ndarray | None, config: ConditionConfig, frames: int) -> np.ndarray:
    """(T, A) of a whole speech: means over each frame's time, onsets last."""
    mel = halved(feature("mel"))
    if config.audio == "mel":
        return mel
    own = halved(feature(config.audio)) if encoded_PD is None else resampled(encoded_PD, frames)
    return np.concatenate([own, mel[:, -1:]], axis=1)


def halved(rows: np.ndarray) -> np.ndarray:
    """(n, D) at 30 rows per second -> (ceil(n / 2), D): means of neighbours, an odd last row by itself."""
    padded = np.concatenate([rows, rows[-1:]]) if len(rows) % STEP else rows
    return np.asarray(padded, np.float32).reshape(-1, STEP, rows.shape[1]).mean(1)


HOP, FIELD = 320, 400
"""Samples between rows of the speech encoder, and samples that one row hears."""


def resampled(rows_PD: np.ndarray, frames: int) -> np.ndarray:
    """Rows of a speech encoder -> (T, D) at 15 fps: the mean of those centred in the frame, where there is none the
    nearest one; zeros if there are no rows at all.
    """
    if not len(rows_PD):
        return np.zeros((frames, rows_PD.shape[1]), np.float32)
    centres_s = (np.arange(len(rows_PD)) * HOP + FIELD / 2) / SAMPLE_RATE
    edges = np.searchsorted(centres_s, np.arange(frames + 1) / FPS)
    nearest = np.minimum(np.searchsorted(centres_s, (np.arange(frames) + 0.5) / FPS), len(rows_PD) - 1)
    first = np.where(edges[1:] > edges[:-1], edges[:-1], nearest)
    stop = np.where(edges[1:] > edges[:-1], edges[1:], nearest + 1)
    sums = np.concatenate([np.zeros((1, rows_PD.shape[1])), np.cumsum(rows_PD, axis=0, dtype=np.float64)])
    return ((sums[stop] - sums[first]) / (stop - first)[:, None]).astype(np.float32)


class Teller:
    """Conditions of windows of one speech; the audio of the whole is computed once."""

    def __init__(self, config: ConditionConfig, words: Sequence[Word], audio_TA: np.ndarray):
        self._config, self._words, self._audio = config, words, audio_TA

    @classmethod
    def of(cls, speech: Speech, config: ConditionConfig) -> "Teller":
        """Of a speech of which nothing was prepared."""
        frames, encoding = frames_of(speech.n_frames(STORE_FPS)), audio_encoding(config)
        encoded = None
        if encoding is not None:
            whole = Window(speech.clip_id, 0, frames * STEP)
            encoded = SpeechEncoding(speech, encoding, str(device())).audio(whole)
        channels = audio_channels(lambda name: compute_feature(name, speech), encoded, config, frames)
        return cls(config, speech.words, channels)

    def window(self, window: Window, speaker: int, tokens: np.ndarray | None = None) -> Conditions:
        """Batch size one; a window (frames of 30 fps) may reach past the end. `tokens` are those of its text, if they
        are known."""
        text = self._read(window) if tokens is None else tokens
        audio = np.zeros((window.length // STEP, self._audio.shape[1]), np.float32)
        there = self._audio[window.start // STEP :][: len(audio)]
        audio[: len(there)] = there
        limit = self._config.text.tokens
        told = torch.from_numpy(padded_tokens([text[:limit]], limit)), torch.from_numpy(audio)[None]
        return Conditions(*told, torch.tensor([speaker]))

    def _read(self, window: Window) -> np.ndarray:
        """Tokens (n, C) of the words that lie inside the window."""
        words = window_words(self._words, window.start / STORE_FPS, (window.start + window.length) / STORE_FPS)
        encoder = sentence_encoder(self._config.text, str(device()))
        tokens = encoder.tokens([" ".join(word.text for word in words)])[0]
        if not self._config.times or self._config.text.encoder != "words":
            return tokens
        said = [int(word.start_s * FPS) for word in words[: len(tokens)]]
        return tokens + times(window.length // STEP, tokens.shape[1])[said]


@cache
def times(frames: int, width: int) -> np.ndarray:
    """(T, C): the sinusoid of each frame of a window."""
    return sinusoid(frames, width).numpy()


class CorpusTeller:
    """Conditions of windows of the clip store; what pretrained encoders made of them before is read, if there is any:
    `texts` of windows, `audios` of whole clips.
    """

    def __init__(
        self,
        store: ClipStore,
        config: ConditionConfig,
        texts: PreparedWindows | None = None,
        audios: PreparedWindows | None = None,
    ):
        self._store, self._config, self._texts, self._audios = store, config, texts, audios
        self._teller = lru_cache(CLIPS_IN_MEMORY)(self._of_clip)

    def batch(self, windows: Sequence[Window]) -> Conditions:
        return Conditions.joined([self._told(window) for window in windows])

    def _told(self, window: Window) -> Conditions:
        tokens = self._texts.tokens(window) if self._texts and window in self._texts else None
        return self._teller(window.clip_id).window(window, speaker_of(window.clip_id), tokens)

    def _of_clip(self, clip_id: str) -> Teller:
        store, config = self._store, self._config
        frames = frames_of(store.n_frames(clip_id))
        encoded = self._audios.audio(Window(clip_id, 0, frames * STEP)) if self._audios else None
        channels = audio_channels(lambda name: store.feature(name, clip_id), encoded, config, frames)
        return Teller(config, store.speech(clip_id).words, channels)


def speaker_of(clip_id: str) -> int:
    """Row of the table of speakers."""
    return dense_speaker(ClipName.parse(clip_id).speaker)
