"""The mel power spectrogram that the field's loaders and onset detectors share: 128 of Slaney's bands, 2048 samples.

The numbers of librosa's defaults (version 0.11: zeros beyond both ends) at 16 kHz, without the library.
Legend: S samples, F = S // hop + 1 frames, N = 2048 window length, M = 128 mel bands.
"""

from functools import cache

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE

WINDOW, MELS = 2048, 128
_BLOCK = 512


def mel_power(audio: np.ndarray, hop: int) -> np.ndarray:
    """(F, 128) float32 mel power of 16 kHz audio (S,); frame k is centred on sample k hop. Memory is flat: blocks of
    frames.
    """
    from scipy.fft import rfft

    padded = np.pad(np.asarray(audio, dtype=np.float32), WINDOW // 2)
    frames_FN = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::hop]
    taper_N, filters_MN = _taper(), mel_filters()
    power_FM = np.empty((len(frames_FN), MELS), np.float32)
    for start in range(0, len(frames_FN), _BLOCK):
        spectrum = rfft(frames_FN[start : start + _BLOCK] * taper_N)
        power_FM[start : start + _BLOCK] = np.abs(spectrum) ** 2 @ filters_MN.T
    return power_FM


def released_mel(audio: np.ndarray, fps: int = 30) -> np.ndarray:
    """(F, 128) float32: what EMAGE's loader calls "mfcc" is this spectrogram, neither logarithm nor cosine transform.

    The hop is 16000 / fps rounded down (533 samples at 30 fps instead of 533.33), so rows drift ahead of the frames by
    0.6 ms per second.
    """
    return mel_power(audio, SAMPLE_RATE // fps)


@cache
def mel_filters() -> np.ndarray:
    """(M, 1025) triangles of equal area on Slaney's mel scale: linear below 1 kHz (66.7 Hz per mel), logarithmic above
    (6.4 in 27 mels)."""
    linear, log_step = 200 / 3, np.log(6.4) / 27
    top = 1000 / linear + np.log(SAMPLE_RATE / 2 / 1000) / log_step
    mels = np.linspace(0, top, MELS + 2)
    edges = np.where(mels < 1000 / linear, mels * linear, 1000 * np.exp(log_step * (mels - 1000 / linear)))
    ramps = edges[:, None] - np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    widths = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    return (triangles * 2 / (edges[2:] - edges[:-2])[:, None]).astype(np.float32)


@cache
def _taper() -> np.ndarray:
    from scipy.signal import get_window

    return get_window("hann", WINDOW).astype(np.float32)
