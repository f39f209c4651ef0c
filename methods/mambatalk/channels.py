"""What the network hears: amplitude, letters and standardised wave of any piece of a speech, as if they had been cut
out of those of the whole (`common/features/waveform.py`).

Legend: S samples of the piece. Training cuts windows out of hours of speech, so nothing is kept per sample.
"""

from functools import cached_property

import numpy as np

from gesturebench.common.features.waveform import ENVELOPE, amplitude_envelope

CHANNELS = 3


class Channels:
    """Pieces of one speech's channels. `tokens` (P,) are the letters of the whole speech."""

    def __init__(self, audio: np.ndarray, tokens: np.ndarray):
        self._audio, self._tokens = np.asarray(audio, np.float32), tokens

    @cached_property
    def _statistics(self) -> tuple[np.float32, np.float32]:
        return self._audio.mean(), np.sqrt(self._audio.var() + np.float32(1e-7))

    def piece(self, start: int, stop: int) -> np.ndarray:
        """(S, 3) float32: samples `start` to `stop` (exclusive); zeros, which are silence, behind the end."""
        rows = np.zeros((stop - start, CHANNELS), np.float32)
        end = min(stop, len(self._audio))
        if start < end:
            mean, scale = self._statistics
            rows[: end - start, 0] = self._amplitude(start, end)
            rows[: end - start, 1] = self._letters(start, end)
            rows[: end - start, 2] = (self._audio[start:end] - mean) / scale
        return rows

    def _amplitude(self, start: int, stop: int) -> np.ndarray:
        """A sample's amplitude looks ahead; at the end of the speech it is that of the last full window."""
        first = min(start, max(len(self._audio) - ENVELOPE, 0))
        level = amplitude_envelope(self._audio[first : stop + ENVELOPE - 1])
        return level[start - first : stop - first]

    def _letters(self, start: int, stop: int) -> np.ndarray:
        """Token p of P holds the samples int(p S / P) to int((p + 1) S / P) - 1 of the whole."""
        count, total = len(self._tokens), len(self._audio)
        first, last = max(start * count // total - 1, 0), min((stop - 1) * count // total + 2, count)
        origin = int(first * total / count)
        bounds = (np.arange(first, last + 1) * total / count).astype(np.int64) - origin
        return np.repeat(self._tokens[first:last], np.diff(bounds))[start - origin : stop - origin]
