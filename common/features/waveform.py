"""What EMAGE and MambaTalk feed their audio encoders: one row per 16 kHz sample. Legend: S samples."""

from typing import Literal

import numpy as np

from gesturebench.common.features.onsets import HOP, onset_frames

ENVELOPE = 1024
"""Samples of the amplitude's window, 64 ms."""

OnsetIndex = Literal["samples", "released_frames"]
"""Where onsets are marked. `samples`: at the sample of each onset. `released_frames`: at the frame's number, a 512th of
it, as the released loaders of EMAGE and MambaTalk do; all onsets of a 64 s clip then lie in its first 0.13 s, and
weights trained that way have never heard one in a window behind that.
"""


def amplitude_envelope(audio: np.ndarray) -> np.ndarray:
    """(S,) max |x| over the window [i, i + 1023]; the last 1023 values repeat the last of a full window.

    The maximum over 2w samples is the larger of two maxima over w, so ten passes over the audio do: O(S) memory where
    the table of all windows holds 1024 S numbers. Maxima round nothing, so the result is bit-identical to it. Audio
    shorter than a window has its overall maximum everywhere.

    >>> amplitude_envelope(np.array([0.0, -2.0, 1.0])).tolist()
    [2.0, 2.0, 2.0]
    """
    level = np.abs(audio)
    if len(level) < ENVELOPE:
        return np.full_like(level, level.max(initial=0))
    width = 1
    while width < ENVELOPE:
        level = np.maximum(level[:-width], level[width:])
        width *= 2
    return np.pad(level, (0, ENVELOPE - 1), mode="edge")


def onset_indicator(audio: np.ndarray, index: OnsetIndex = "samples") -> np.ndarray:
    """(S,) float32: 1 at the onsets of the audio, 0 elsewhere."""
    marks = np.zeros(len(audio), np.float32)
    at = onset_frames(audio) * (1 if index == "released_frames" else HOP)
    marks[at[at < len(audio)]] = 1
    return marks


def amplitude_onset(audio: np.ndarray, index: OnsetIndex = "samples") -> np.ndarray:
    """(S, 2) float32 of EMAGE: amplitude envelope, onset indicator."""
    return np.stack([amplitude_envelope(audio), onset_indicator(audio, index)], axis=1).astype(np.float32)


def amplitude_onset_wave(audio: np.ndarray, index: OnsetIndex = "samples") -> np.ndarray:
    """(S, 3) float32 of MambaTalk's variant without a recogniser: amplitude envelope, onset indicator, the samples."""
    return np.concatenate([amplitude_onset(audio, index), np.asarray(audio, np.float32)[:, None]], axis=1)


def amplitude_tokens_wave(audio: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """(S, 3) float32 of MambaTalk: amplitude envelope, recognised token, standardised waveform.

    `tokens` (P,) are the recogniser's letter per 20 ms (`CtcTokens`), used as plain numbers and stretched to samples.
    Face encoders see all three columns, body encoders the first two.
    """
    columns = (amplitude_envelope(audio), stretched(tokens, len(audio)), standardised(audio))
    return np.stack(columns, axis=1).astype(np.float32)


def stretched(values: np.ndarray, n_samples: int) -> np.ndarray:
    """(S,): value p of P holds the samples int(p S / P) to int((p + 1) S / P) - 1.

    >>> stretched(np.array([5, 7]), 5).tolist()
    [5, 5, 7, 7, 7]
    """
    count = len(values)
    bounds = (np.arange(count + 1) * n_samples / count).astype(np.int64)
    return np.repeat(values, np.diff(bounds))


def standardised(audio: np.ndarray) -> np.ndarray:
    """(S,) float32 (x - mean) / sqrt(var + 1e-7): the form in which wav2vec2 and its kin were trained to hear."""
    audio = np.asarray(audio, np.float32)
    return (audio - audio.mean()) / np.sqrt(audio.var() + np.float32(1e-7))
