"""The melody of speech at each motion frame: how voiced it is, its pitch, and its loudness; no pretrained model.

Legend: T frames, N window length in samples, L lags.
"""

from functools import lru_cache

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech

RATE = 30
WINDOW = 1024
"""Samples of a Hann window: 64 ms, nearly four periods of the lowest pitch."""
LOWEST_HZ, HIGHEST_HZ = 60, 400
VOICED = 0.5
"""Voicing from which a pitch is given."""
REFERENCE_HZ = 150
_OCTAVE_COST = 0.02
"""What a peak loses per octave below the highest pitch: two periods fit as well as one, one is meant."""
_LOUDNESS = (-6.5, 3.0)
_FLOOR = 1e-6
_LENGTH = 1296
"""Points of the transforms: at least the window and the longest lag, and a product of small primes."""
_BLOCK = 256


def prosody(speech: Speech) -> np.ndarray:
    """(T, 3) float32: voicing in [0, 1], pitch in octaves above 150 Hz (0 where unvoiced), scaled log energy.

    Row k is centred on k / 30 s. Pitch is the highest peak of the autocorrelation divided by that of the window, r_x /
    r_w (Boersma 1993, eq. 9), between 60 and 400 Hz, refined by a parabola; its height is the voicing.
    """
    n = speech.n_frames(RATE)
    centres = np.rint(np.arange(n) * (SAMPLE_RATE / RATE)).astype(np.int64)
    padded = np.pad(np.asarray(speech.audio, np.float32), (WINDOW // 2, WINDOW))
    windows_TN = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    rows = np.empty((n, 3), np.float32)
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        rows[block] = _rows(windows_TN[centres[block]])
    return rows


def _rows(frames_TN: np.ndarray) -> np.ndarray:
    taper_N, taper_power_L = _taper()
    centred = (frames_TN - frames_TN.mean(axis=1, keepdims=True)) * taper_N
    correlation_TL = _autocorrelation(centred)
    energy_T = correlation_TL[:, 0] / taper_power_L[0]
    correlation_TL /= np.maximum(correlation_TL[:, :1], _FLOOR) * (taper_power_L / taper_power_L[0])
    voicing_T, lag_T = _peak(correlation_TL)
    pitch_T = np.where(voicing_T >= VOICED, np.log2(SAMPLE_RATE / lag_T / REFERENCE_HZ), 0)
    offset, scale = _LOUDNESS
    loudness_T = (np.log(np.maximum(energy_T, 0) + _FLOOR) - offset) / scale
    return np.stack([voicing_T, pitch_T, loudness_T], axis=1)


def _peak(correlation_TL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height in [0, 1] and lag in samples (fractional) of the peak that is chosen."""
    shortest, longest = SAMPLE_RATE // HIGHEST_HZ, SAMPLE_RATE // LOWEST_HZ
    lags = np.arange(shortest, longest + 1)
    inside = correlation_TL[:, shortest : longest + 1]
    rises = (inside >= correlation_TL[:, shortest - 1 : longest]) & (
        inside >= correlation_TL[:, shortest + 1 : longest + 2]
    )
    worth = np.where(rises, inside - _OCTAVE_COST * np.log2(lags / shortest), -np.inf)
    lag_T = lags[worth.argmax(axis=1)]
    at = np.arange(len(lag_T))
    before, here, after = (correlation_TL[at, lag_T + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)
    return np.where(rises.any(axis=1), here, 0).clip(0, 1), lag_T + shift.clip(-0.5, 0.5)


def _autocorrelation(frames_TN: np.ndarray) -> np.ndarray:
    """(T, L): sum over n of x[n] x[n + lag], for lags up to one beyond the lowest pitch."""
    from scipy.fft import irfft, rfft

    spectrum = rfft(frames_TN, _LENGTH, axis=1)
    return irfft(spectrum.real**2 + spectrum.imag**2, axis=1)[:, : SAMPLE_RATE // LOWEST_HZ + 2]


@lru_cache(maxsize=1)
def _taper() -> tuple[np.ndarray, np.ndarray]:
    """The window (N,), and its autocorrelation (L,)."""
    taper_N = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    return taper_N, _autocorrelation(taper_N[None])[0]
