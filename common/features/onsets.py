"""Audio onsets: the beats of speech that beat consistency listens to.

The published scores use librosa's `onset_detect` with default settings at 16 kHz and hop 512. With those numbers its
peak picker loses its running maximum and its waiting time (both shorter than a hop), and what is left fits in a few
lines of numpy: the same onsets, without the 20 seconds of compilation that the library's first call costs on a fresh
machine. Legend: S samples, F = S // 512 + 1 frames.
"""

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.features.spectrogram import WINDOW, mel_power

HOP = 512
DELTA = 0.07
BEFORE = AFTER = 3
"""Frames of 100 ms on both sides of a peak."""


def audio_onsets(audio: np.ndarray) -> np.ndarray:
    """Onset times in seconds of 16 kHz mono audio (S,)."""
    return onset_frames(audio) * HOP / SAMPLE_RATE


def onset_frames(audio: np.ndarray) -> np.ndarray:
    """Onsets as frame numbers (sample / 512): frames whose strength exceeds the mean of their surroundings by `DELTA`.

    The strength is normalised to [0, 1] over the audio given, so a slice of a recording has other onsets than the
    recording: slice first.
    """
    if not len(audio):
        return np.empty(0, np.int64)
    strength = onset_strength(audio)
    strength = strength - strength.min()
    if not strength.any():
        return np.empty(0, np.int64)
    strength /= strength.max()
    return np.flatnonzero(strength >= _surroundings(strength) + DELTA)


def onset_strength(audio: np.ndarray) -> np.ndarray:
    """Spectral flux (F,): the mean over mel bands of the rise in decibels since the frame before (Böck and Widmer 2013,
    without the filter).

    Shifted by half a window, because a rise is heard at the centre of the frame that first contains it.
    """
    power = mel_power(audio, HOP)
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    rise = np.maximum(np.diff(decibels, axis=0), 0).mean(1)
    shift = 1 + WINDOW // (2 * HOP)
    return np.pad(rise, (shift, 0))[: len(power)]


def _surroundings(strength: np.ndarray) -> np.ndarray:
    """Mean over the frames from `BEFORE` to `AFTER`, fewer at the ends."""
    total = np.concatenate([[0.0], np.cumsum(strength, dtype=np.float64)])
    at = np.arange(len(strength))
    first, last = np.maximum(at - BEFORE, 0), np.minimum(at + AFTER + 1, len(strength))
    return (total[last] - total[first]) / (last - first)
