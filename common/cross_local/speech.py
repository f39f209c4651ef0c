"""Speech as the denoiser hears it: one row of numbers for each motion frame.

Legend: T frames at 30 per second, A numbers of a row, P rows of a pretrained encoder.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.cross_local.speech_config import SpeechConfig
from gesturebench.common.device import device
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.common.features.pretrained import width_of
from gesturebench.common.features.registry import RATE, compute_feature, feature_named
from gesturebench.common.features.window_encoder import Heard, uncached_encoder
from gesturebench.common.motion.resample import interpolated

CLIPS_IN_MEMORY = 64
"""Of which rows are kept between two windows."""


def speech_width(config: SpeechConfig) -> int:
    """A."""
    return feature_named(config.audio).dim if config.encoder is None else width_of(config.encoder)


def speech_rows(speech: Speech, config: SpeechConfig) -> np.ndarray:
    """(T, A) of a speech of which nothing was prepared."""
    encoding = config.encoding
    if encoding is None:
        return compute_feature(config.audio, speech)
    encoder = uncached_encoder(encoding, str(device()))
    rows = encoder.clip_audio(Heard.of(speech, encoding), speech.clip_id)
    return at_frames(rows, speech.n_frames(RATE), encoder.grid)


def at_frames(rows_PA: np.ndarray, frames: int, grid: tuple[int, int]) -> np.ndarray:
    """(T, A): rows of an encoder, `grid` samples from row to row and heard by one, at the times of motion frames."""
    if not len(rows_PA):
        return np.zeros((frames, rows_PA.shape[1]), np.float32)
    hop, field = grid
    centres_s = (np.arange(len(rows_PA)) * hop + field / 2) / SAMPLE_RATE
    places = np.interp(np.arange(frames) / RATE, centres_s, np.arange(len(rows_PA)))
    return interpolated(np.asarray(rows_PA, np.float32), places).astype(np.float32)


class CorpusSpeech:
    """Rows of windows of the clip store; of a pretrained encoder those that were `prepared` for all its clips."""

    def __init__(self, store: ClipStore, config: SpeechConfig, prepared: Path | None = None):
        self._store, self._config = store, config
        self._prepared = PreparedWindows(prepared) if prepared is not None else None
        self._clip = lru_cache(CLIPS_IN_MEMORY)(self._of_clip)

    def window(self, window: Window) -> Tensor:
        """(T, A)."""
        rows = self._clip(window.clip_id)[window.start : window.start + window.length]
        return torch.from_numpy(np.array(rows, np.float32))

    def batch(self, windows: Sequence[Window]) -> Tensor:
        """(B, T, A)."""
        return torch.stack([self.window(window) for window in windows])

    def _of_clip(self, clip_id: str) -> np.ndarray:
        if self._prepared is None:
            return self._store.feature(self._config.audio, clip_id)
        frames = self._store.n_frames(clip_id)
        return at_frames(self._prepared.audio(Window(clip_id, 0, frames)), frames, self._prepared.grid)
