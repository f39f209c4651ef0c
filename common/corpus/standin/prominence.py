"""How much each word stands out, from what is heard: loudness, pitch and duration.

p = 0.6 + 0.25 z(max log energy) + 0.20 z(max f0) + 0.25 z(duration), clipped to [0, 3], z-scored over the words of
the clip. Pitch is the highest peak of the autocorrelation of 40 ms frames, computed for all frames at once by FFT.
"""

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.standin.speech import Reading

_HOP, _FRAME, _FFT = 320, 640, 1024
_MIN_F0, _MAX_F0 = 70.0, 350.0


def word_prominence(reading: Reading) -> np.ndarray:
    """(words,) prominence in [0, 3]."""
    log_energy, f0 = energy_and_pitch(reading.audio.astype(np.float32) / 32768)
    spans = [_frames(word.start_s, word.end_s, len(f0)) for word in reading.words]
    energy = np.array([log_energy[span].max() for span in spans])
    pitch = np.array([f0[span].max() for span in spans])
    duration = np.array([word.end_s - word.start_s for word in reading.words])
    return np.clip(0.6 + 0.25 * _z(energy) + 0.20 * _z(pitch) + 0.25 * _z(duration), 0, 3)


def energy_and_pitch(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log energy and f0 in Hz (0 where unvoiced) of frames centred every 20 ms."""
    frames = sliding_window_view(np.pad(audio, _FRAME // 2), _FRAME)[::_HOP]
    log_energy = np.log(np.einsum("tn,tn->t", frames, frames) + 1e-6)
    spectrum = scipy.fft.rfft(frames * np.hanning(_FRAME).astype(np.float32), _FFT)
    correlation = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, _FFT)
    low, high = int(SAMPLE_RATE / _MAX_F0), int(SAMPLE_RATE / _MIN_F0)
    lag = correlation[:, low:high].argmax(1)
    strength = correlation[np.arange(len(lag)), low + lag] / (correlation[:, 0] + 1e-6)
    return log_energy, np.where(strength > 0.3, SAMPLE_RATE / (low + lag), 0.0)


def _frames(start_s: float, end_s: float, count: int) -> slice:
    first = min(int(start_s * SAMPLE_RATE / _HOP), count - 1)
    return slice(first, max(first + 1, int(end_s * SAMPLE_RATE / _HOP)))


def _z(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() + 1e-9)
