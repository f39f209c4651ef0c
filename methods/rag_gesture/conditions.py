"""What the denoiser is told about a window: word and audio rows at configured rates, and the dense speaker index."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.beat2 import dense_speaker
from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.registry import RATE, compute_feature, feature_named
from gesturebench.methods.rag_gesture.config import ConditionConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions


def widths(config: ConditionConfig) -> tuple[int, int]:
    """(text, audio) widths of a row."""
    return feature_named(config.text).dim, feature_named(config.audio).dim


def stored(store: ClipStore, windows: Sequence[Window], config: ConditionConfig) -> Conditions:
    """Conditions of training windows, from the features of the clip store."""

    def rows(name: str, fps: int) -> Tensor:
        cut = (store.feature(name, w.clip_id)[w.start : w.start + w.length] for w in windows)
        return torch.stack([pooled(piece, w.length, fps) for piece, w in zip(cut, windows, strict=True)])

    speaker = torch.tensor([dense_speaker(int(w.clip_id.split("_")[0])) for w in windows])
    return Conditions(rows(config.text, config.text_fps), rows(config.audio, config.audio_fps), speaker)


class SpeechConditions:
    """Features of a whole speech, computed once; `window` cuts them, with zeros past the end."""

    def __init__(self, speech: Speech, config: ConditionConfig):
        self._config, self._speaker = config, dense_speaker(speech.speaker)
        self._text, self._audio = compute_feature(config.text, speech), compute_feature(config.audio, speech)

    def window(self, start: int, length: int) -> Conditions:
        """Conditions with batch size one of `length` 30 fps frames from `start`."""
        cut = slice(start, start + length)
        text = pooled(self._text[cut], length, self._config.text_fps)
        audio = pooled(self._audio[cut], length, self._config.audio_fps)
        return Conditions(text[None], audio[None], torch.tensor([self._speaker]))


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
