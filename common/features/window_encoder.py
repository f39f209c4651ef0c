"""Windows of speech through pretrained encoders: word vectors at 15 fps and the speech encoder's own rows.

Legend: B windows, S samples of a window, P rows of the speech encoder, T frames at 15 fps, D width of an encoder.
Windows are counted in frames of 30 fps.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from gesturebench.common.corpus.audio import legacy_22050
from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech, Word
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.cache import FeatureCache, Keyed
from gesturebench.common.features.speech_encoder import SpeechEncoder, SpeechEncoderConfig, receptive_field
from gesturebench.common.features.text_encoder import TextEncoder, TextEncoderConfig, merged, placed
from gesturebench.common.features.window_config import FPS, RATE, WindowEncoding
from gesturebench.common.features.window_text import WindowText, spoken, window_words
from gesturebench.common.files import sha256_json
from gesturebench.common.user_cache import cache_folder

PIECE_S = 30.0
"""Seconds of a clip that are heard at once: attention costs the square of it."""


@dataclass(frozen=True, eq=False)
class Heard:
    """A speech as encoders get it: words in the order they were said, and samples at 16 kHz."""

    words: tuple[Word, ...]
    audio: np.ndarray

    @classmethod
    def of(cls, speech: Speech, encoding: WindowEncoding) -> "Heard":
        audio = speech.audio
        if encoding.resampling == "legacy_22050":  # the detour is of the recording, not of what is left of it
            audio = legacy_22050(np.concatenate([speech.audio, speech.tail]))[: len(audio)]
        return cls(spoken(speech, encoding.source), np.asarray(audio, np.float32))

    def text(self, start: int, length: int) -> tuple[Word, ...]:
        return window_words(self.words, start / RATE, (start + length) / RATE)

    def wave(self, start: int, length: int) -> np.ndarray:
        """(S,): exactly the samples of `length` frames, zeros past the end."""
        first, samples = start * SAMPLE_RATE // RATE, length * SAMPLE_RATE // RATE
        there = self.audio[first : first + samples]
        return np.pad(there, (0, samples - len(there)))


def rows_at(window: Window, hop: int, field: int) -> tuple[int, int]:
    """Of a clip's rows the first of a window and how many they are."""
    first = round(window.start * SAMPLE_RATE / RATE / hop)
    return first, rows_of(window.length * SAMPLE_RATE // RATE, hop, field)


class WindowEncoder:
    """The encoders of an encoding; each is loaded when it is first used. With a `cache`, what was encoded before is
    read from the disk.
    """

    def __init__(self, encoding: WindowEncoding, device: str = "cpu", cache: FeatureCache | None = None):
        self.encoding, self.device, self._cache = encoding, device, cache

    @cached_property
    def reader(self) -> TextEncoder:
        source = self.encoding.text
        return TextEncoder(TextEncoderConfig(model=source.model, revision=source.revision, fps=FPS), self.device)

    @cached_property
    def listener(self) -> SpeechEncoder:
        source, piece = self.encoding.audio, PIECE_S if self.encoding.granularity == "clip" else None
        config = SpeechEncoderConfig(model=source.model, revision=source.revision, fps=None, chunk_s=piece)
        return SpeechEncoder(config, self.device)

    def texts(self, windows: Sequence[tuple[Word, ...]]) -> list[WindowText]:
        """Windows' words, read together; a window of more tokens than the model reads at once is read in parts."""
        parts = [list(self.reader.parts(words)) or [[]] for words in windows]
        sentences = [[word.text for word in part] for several in parts for part in several]
        owners = iter([self.reader.spelt(sentence)[1] for sentence in sentences])

        def read() -> np.ndarray:
            return np.concatenate([tokens for tokens, _ in self.reader.read(sentences)])

        rows = self._kept(self.reader, lambda: sha256_json(sentences)[:40], read) if sentences else None
        made, first = [], 0
        for words, several in zip(windows, parts):
            own = _counted_on(several, [next(owners) for _ in several])
            made.append(WindowText(words, rows[first : first + len(own)], own))
            first += len(own)
        return made

    def audios(self, waves_BS: np.ndarray) -> np.ndarray:
        """(B, P, D) float32."""
        return self._kept(
            self.listener,
            lambda: f"{hashlib.sha256(np.ascontiguousarray(waves_BS)).hexdigest()[:40]}-{len(waves_BS)}",
            lambda: self.listener.waves(waves_BS),
        )

    def _kept(self, encoder: Keyed, name: Callable[[], str], compute: Callable[[], np.ndarray]) -> np.ndarray:
        """From the disk, if there is a cache, by the hash of what is encoded."""
        return compute() if self._cache is None else self._cache.rows(encoder, name(), compute, "a window")

    def clip_text(self, heard: Heard, n_frames: int) -> np.ndarray:
        """(T, D) of a whole clip."""
        text = self.texts([merged(heard.words)])[0]
        return placed(text.words, text.vectors, n_frames, FPS)

    def clip_audio(self, heard: Heard, clip_id: str) -> np.ndarray:
        """(P, D) of a whole clip, row p centred on sample p hop + field / 2 also where pieces meet, where a row is
        missing: the nearest one takes its place."""
        rows, centres_s = self.listener.encoded(Speech(clip_id, heard.audio, 0))
        hop, field = self.grid
        wanted_s = (np.arange(rows_of(len(heard.audio), hop, field)) * hop + field / 2) / SAMPLE_RATE
        middles = (centres_s[1:] + centres_s[:-1]) / 2
        return rows[np.searchsorted(middles, wanted_s)]

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Samples from row to row of the speech encoder, and samples that one row hears."""
        return receptive_field(self.listener.model_config)


def rows_of(samples: int, hop: int, field: int) -> int:
    """Rows that a speech encoder makes of a wave.

    >>> rows_of(160_000, 320, 400)
    499
    """
    return max(0, (samples - field) // hop + 1)


@cache
def window_encoder(encoding: WindowEncoding, device: str) -> WindowEncoder:
    """One for each encoding and device in a process, so that models are loaded once; what it encodes stays on the disk
    below `cache_folder()`.
    """
    return WindowEncoder(encoding, device, FeatureCache(cache_folder() / "features", encoding.stored))


@cache
def uncached_encoder(encoding: WindowEncoding, device: str) -> WindowEncoder:
    """The same for those who keep what is encoded themselves."""
    return WindowEncoder(encoding, device)


def _counted_on(parts: list[list[Word]], owners: list[list[int]]) -> np.ndarray:
    """The owners of a window's tokens out of those of its parts."""
    found, first = [], 0
    for part, own in zip(parts, map(np.array, owners)):
        found.append(np.where(own < 0, own, own + first))
        first += len(part)
    return np.concatenate(found)


def cut_rows(rows: np.ndarray, first: int, count: int) -> np.ndarray:
    """(count, D): rows from `first` on, zeros past the end."""
    there = rows[first : first + count]
    return np.pad(there, ((0, count - len(there)), (0, 0))) if len(there) < count else there


class SpeechEncoding:
    """One speech whose windows are encoded when they are asked for; with granularity `clip` all of it, once."""

    def __init__(self, speech: Speech, encoding: WindowEncoding, device: str = "cpu"):
        self._clip_id, self._encoding = speech.clip_id, encoding
        self._encoder, self._heard = window_encoder(encoding, device), Heard.of(speech, encoding)

    def text(self, window: Window) -> np.ndarray:
        """(T, D) at 15 fps."""
        frames = window.length // (RATE // FPS)
        if self._encoding.granularity == "clip":
            return cut_rows(self._clip_text, window.start // (RATE // FPS), frames)
        return self._encoder.texts([self._heard.text(window.start, window.length)])[0].frames(frames)

    def audio(self, window: Window) -> np.ndarray:
        """(P, D)."""
        if self._encoding.granularity == "clip":
            return cut_rows(self._clip_audio, *rows_at(window, *self._encoder.grid))
        return self._encoder.audios(self._heard.wave(window.start, window.length)[None])[0]

    @cached_property
    def _clip_text(self) -> np.ndarray:
        return self._encoder.clip_text(self._heard, len(self._heard.audio) * FPS // SAMPLE_RATE + 1)

    @cached_property
    def _clip_audio(self) -> np.ndarray:
        return self._encoder.clip_audio(self._heard, self._clip_id)
