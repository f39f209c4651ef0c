"""The amplitude envelope beside the table of all windows that the released loaders fill for it."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from gesturebench.common.features.waveform import ENVELOPE, amplitude_envelope

SAMPLE_RATE = 16_000


def released_envelope(audio: np.ndarray) -> np.ndarray:
    """Every window of 1024 samples as a row of its own (4 KB per sample), its maximum, and a constant tail."""
    table = np.abs(np.lib.stride_tricks.sliding_window_view(audio, ENVELOPE))
    maxima = table.max(axis=1)
    return np.pad(maxima, (0, ENVELOPE - 1), mode="edge")


def audio_of(seconds: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).normal(size=seconds * SAMPLE_RATE)).astype(np.float32)


def peak_per_sample(function: Callable[[np.ndarray], np.ndarray], audio: np.ndarray) -> float:
    """Bytes allocated at once, over the number of samples."""
    tracemalloc.start()
    function(audio)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / len(audio)


@pytest.mark.parametrize("seconds", [10])
def test_amplitude_envelope(versus, benchmark, seconds):
    audio = audio_of(seconds)
    np.testing.assert_array_equal(amplitude_envelope(audio), released_envelope(audio))
    ratio = versus(lambda: amplitude_envelope(audio), lambda: released_envelope(audio), rounds=3)
    benchmark.extra_info |= {
        "bytes_per_sample": peak_per_sample(amplitude_envelope, audio),
        "released_bytes_per_sample": peak_per_sample(released_envelope, audio),
    }
    assert ratio >= 50


@pytest.mark.parametrize("seconds", [6, 60, 600])
def test_memory_grows_with_the_audio_alone(benchmark, seconds):
    audio = audio_of(seconds)
    benchmark.extra_info["bytes_per_sample"] = peak_per_sample(amplitude_envelope, audio)
    benchmark.pedantic(lambda: amplitude_envelope(audio), rounds=3)
    assert benchmark.extra_info["bytes_per_sample"] < 20
