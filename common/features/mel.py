"""What the voice does at each motion frame: 64 log-mel bands, loudness, and the onset of new sound.

Legend: T frames, N window length in samples, F frequency bins, M mel bands.
"""

from functools import lru_cache

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech

RATE = 30
BANDS = 64
WINDOW = 1024
"""Samples of a Hann window: 64 ms, so that neighbours (33 ms apart) overlap by half."""
_FLOOR = 1e-6
_LOG_MEL = (-3.0, 4.5)
_ENERGY = (-6.5, 3.0)
_ONSET = (0.9, 1.0)
"""(offset, scale) per kind of column, near mean and deviation of recorded speech. Constants, not statistics
of the corpus at hand: a feature means the same on every data set."""
_BLOCK = 1024


def mel(speech: Speech) -> np.ndarray:
    """(T, 66) float32: 64 log-mel bands, log energy, onset strength; row k is centred near k / 30 s."""
    power_TM, energy_T = _spectra(np.asarray(speech.audio, np.float32), speech.n_frames(RATE))
    log_TM = np.log(power_TM + _FLOOR)
    rise_TM = np.diff(log_TM, axis=0, prepend=log_TM[:1])
    onset_T = np.maximum(rise_TM, 0).mean(axis=1)  # half-wave rectified spectral flux (Dixon 2006)
    columns = (
        _scaled(log_TM, _LOG_MEL),
        _scaled(np.log(energy_T + _FLOOR), _ENERGY)[:, None],
        _scaled(onset_T, _ONSET)[:, None],
    )
    return np.concatenate(columns, axis=1, dtype=np.float32)


def _spectra(audio: np.ndarray, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Mel power (T, M) and mean square (T,) of windows centred on the frames, in blocks to keep memory flat."""
    from scipy.fft import rfft

    centres = np.rint(np.arange(n_frames) * (SAMPLE_RATE / RATE)).astype(np.int64)
    padded = np.pad(audio, (WINDOW // 2, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    taper, weights_FM = _taper(), mel_filters()
    power = np.empty((n_frames, BANDS), np.float32)
    energy = np.empty(n_frames, np.float32)
    for start in range(0, n_frames, _BLOCK):
        block = slice(start, start + _BLOCK)
        tapered = windows[centres[block]] * taper
        spectrum = rfft(tapered, axis=1)
        power[block] = (spectrum.real**2 + spectrum.imag**2) @ weights_FM
        energy[block] = np.einsum("tn,tn->t", tapered, tapered) / (taper @ taper)
    return power, energy


@lru_cache(maxsize=1)
def mel_filters() -> np.ndarray:
    """(F, M) triangles of unit height, equally spaced in m = 2595 log10(1 + f / 700) from 0 to 8000 Hz."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    frequency = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)[:, None]
    rising = (frequency - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequency) / (corners[2:] - corners[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


@lru_cache(maxsize=1)
def _taper() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


def _scaled(values: np.ndarray, constants: tuple[float, float]) -> np.ndarray:
    offset, scale = constants
    return (values - offset) / scale
