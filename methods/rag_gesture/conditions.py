"""What the denoiser is told about a window: word and audio rows, and the dense speaker index.

Features of the clip store are cut out of the clip's. Those of pretrained encoders are of the window alone: read from
windows that were prepared for training, else encoded when they are asked for.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.beat2 import dense_speaker
from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import ListedWindows, Window, laid_out
from gesturebench.common.device import device
from gesturebench.common.errors import InputError
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.common.features.registry import RATE, compute_feature
from gesturebench.common.features.text_rows import text_rows
from gesturebench.common.features.window_encoder import SpeechEncoding
from gesturebench.common.features.window_text import empty_windows, with_words
from gesturebench.methods.rag_gesture.condition_features import SPLIT, widths, window_step
from gesturebench.methods.rag_gesture.config import ConditionConfig, RagGestureConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions

__all__ = ["SpeechConditions", "joined", "pooled", "stored", "texts", "training_windows", "widths"]


def stored(
    store: ClipStore, windows: Sequence[Window], config: ConditionConfig, prepared: PreparedWindows | None = None
) -> Conditions:
    """Conditions of windows of the clip store; what pretrained encoders make of a window that is not among the
    `prepared` ones is encoded now.
    """
    live = {
        clip_id: SpeechConditions(store.speech(clip_id), config)
        for clip_id in dict.fromkeys(w.clip_id for w in windows if config.encoding and not (prepared and w in prepared))
    }

    def rows(name: str, fps: int, read: str) -> Tensor:
        if name in ENCODED:
            made = [getattr(live.get(w.clip_id, prepared), read)(w) for w in windows]
            return torch.from_numpy(np.stack(made))
        cut = (store.feature(name, w.clip_id)[w.start : w.start + w.length] for w in windows)
        return torch.stack([pooled(piece, w.length, fps) for piece, w in zip(cut, windows, strict=True)])

    text, audio = rows(config.text, config.text_fps, "text"), rows(config.audio, config.audio_fps, "audio")
    return Conditions(text, audio, torch.tensor([dense_speaker(int(w.clip_id.split("_")[0])) for w in windows]))


ENCODED = ("bert", "wav2vec2")
"""Features of pretrained encoders."""


class SpeechConditions:
    """Features of one speech. Those of the whole are computed once, and `window` cuts them, with zeros past the end."""

    def __init__(self, speech: Speech, config: ConditionConfig):
        self._speech, self._config = speech, config
        self._speaker = dense_speaker(speech.speaker)

    def window(self, start: int, length: int) -> Conditions:
        """Conditions with batch size one of `length` 30 fps frames from `start`."""
        window = Window(self._speech.clip_id, start, length)
        text = self._rows(self._config.text, self._config.text_fps, window, self.text)
        audio = self._rows(self._config.audio, self._config.audio_fps, window, self.audio)
        return Conditions(text[None], audio[None], torch.tensor([self._speaker]))

    def text(self, window: Window) -> np.ndarray:
        """(T, D) word vectors of a language model at 15 fps."""
        return self._encoding.text(window)

    def audio(self, window: Window) -> np.ndarray:
        """(P, D) rows of a speech encoder."""
        return self._encoding.audio(window)

    def _rows(self, name: str, fps: int, window: Window, encode: Callable[[Window], np.ndarray]) -> Tensor:
        if name in ENCODED:
            return torch.from_numpy(encode(window))
        whole = self._text if name == self._config.text else self._audio
        return pooled(whole[window.start : window.start + window.length], window.length, fps)

    @cached_property
    def _text(self) -> np.ndarray:
        return compute_feature(self._config.text, self._speech)

    @cached_property
    def _audio(self) -> np.ndarray:
        return compute_feature(self._config.audio, self._speech)

    @cached_property
    def _encoding(self) -> SpeechEncoding:
        return SpeechEncoding(self._speech, self._config.encoding, str(device()))


def training_windows(
    store: ClipStore, config: RagGestureConfig, prepared: PreparedWindows | None = None
) -> ListedWindows | None:
    """The windows to draw from, by the rule about empty ones and without those that the language model cannot read at
    once; None where that leaves all there are.
    """
    length = config.codec.frames * RATE // config.codec.fps
    everything = laid_out(store, SPLIT, length, window_step(config))
    rule = config.conditions.empty_text
    empty = empty_windows(store, everything, config.conditions.source) if rule != "kept" else frozenset()
    left = [w for w in with_words(everything, empty, rule) if prepared is None or w in prepared]
    if not left:
        raise InputError(
            f"conditions.empty_text {rule!r} leaves none of {len(everything)} training windows",
            expected="clips with words",
            remedy="add the words, or set conditions.empty_text=kept",
        )
    return ListedWindows(left) if len(left) < len(everything) else None


def texts(config: ConditionConfig) -> Callable[[Speech, Sequence[Window]], list[np.ndarray]]:
    """What retrieval compares the texts of windows by: the language model's tokens if it is a condition, else hashed
    words.
    """
    return lambda speech, windows: text_rows(speech, windows, config.text, config.encoding, str(device()))


def pooled(rows: np.ndarray, length: int, fps: int) -> Tensor:
    """(n <= length, dim) at 30 rows per second -> (length * fps / 30, dim): zero-padded, then means of neighbours."""
    padded = np.zeros((length, rows.shape[1]), dtype=np.float32)
    padded[: len(rows)] = rows
    return torch.from_numpy(padded.reshape(-1, RATE // fps, rows.shape[1]).mean(1))


def joined(conditions: Sequence[Conditions]) -> Conditions:
    """One batch out of several."""
    return Conditions(
        torch.cat([c.text for c in conditions]),
        torch.cat([c.audio for c in conditions]),
        torch.cat([c.speaker for c in conditions]),
    )
