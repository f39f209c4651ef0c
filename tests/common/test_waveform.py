"""Features per audio sample: equal to their definitions, bit for bit where nothing is rounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.features import spectrogram
from gesturebench.common.features.onsets import audio_onsets
from gesturebench.common.features.spectrogram import mel_filters, mel_power, released_mel
from gesturebench.common.features.waveform import (
    amplitude_envelope,
    amplitude_onset,
    amplitude_onset_wave,
    amplitude_tokens_wave,
    onset_indicator,
    standardised,
    stretched,
)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=samples)).astype(np.float32)


def clicks(times_s, seconds: float = 3.0) -> np.ndarray:
    audio = 1e-4 * noise(int(seconds * 16_000))
    for time in times_s:
        audio[int(time * 16_000) :][:800] += 3 * noise(800, 1)
    return audio


def rolled(audio: np.ndarray) -> np.ndarray:
    """The definition: the table of all windows of 1024 samples, then the last of its maxima 1023 times more."""
    maxima = np.lib.stride_tricks.sliding_window_view(np.abs(audio), 1024).max(axis=1)
    return np.concatenate([maxima, np.full(1023, maxima[-1])])


@pytest.mark.parametrize("samples", [1024, 1025, 2047, 16_000])
def test_envelope_is_the_rolling_maximum(samples):
    audio = noise(samples, samples)
    envelope = amplitude_envelope(audio)
    np.testing.assert_array_equal(envelope, rolled(audio))
    assert envelope.dtype == audio.dtype
    assert len(envelope) == samples


@given(st.lists(st.floats(-1, 1, width=32), max_size=30))
def test_short_audio_has_its_maximum_everywhere(values):
    audio = np.array(values, np.float32)
    np.testing.assert_array_equal(amplitude_envelope(audio), np.full(len(audio), np.abs(audio).max(initial=0)))


def test_onsets_are_marked_where_they_sound():
    audio = clicks([0.7, 1.5, 2.2])
    marks = np.flatnonzero(onset_indicator(audio)) / 16_000
    np.testing.assert_allclose(marks, audio_onsets(audio))
    assert np.abs(marks[:, None] - [0.7, 1.5, 2.2]).min(0).max() < 0.064


def test_released_onsets_are_squeezed_into_the_start():
    audio = clicks([0.7, 1.5, 2.2])
    released = np.flatnonzero(onset_indicator(audio, "released_frames"))
    np.testing.assert_array_equal(released * 512, np.flatnonzero(onset_indicator(audio)))
    assert released.max() <= len(audio) / 512


def test_columns():
    audio, tokens = noise(5000), np.array([0, 7, 31])
    both, three = amplitude_onset(audio), amplitude_onset_wave(audio)
    np.testing.assert_array_equal(both[:, 0], amplitude_envelope(audio))
    np.testing.assert_array_equal(three[:, :2], both)
    np.testing.assert_array_equal(three[:, 2], audio)
    heard = amplitude_tokens_wave(audio, tokens)
    np.testing.assert_array_equal(heard[:, 0], both[:, 0])
    np.testing.assert_array_equal(heard[:, 1], stretched(tokens, 5000))
    np.testing.assert_array_equal(heard[:, 2], standardised(audio))
    assert {array.dtype for array in (both, three, heard)} == {np.dtype(np.float32)}


@given(st.integers(1, 40), st.integers(0, 400))
def test_stretched_is_the_definition(count, samples):
    values = np.arange(count)
    expected = np.zeros(samples, int)
    for p in values:
        expected[int(p * samples / count) :] = p
    np.testing.assert_array_equal(stretched(values, samples), expected)


def test_standardised():
    x = standardised(3 * noise(16_000) + 1)
    assert abs(x.mean()) < 1e-5
    assert x.std() == pytest.approx(1, abs=1e-4)
    assert not standardised(np.zeros(100)).any()


def test_mel_power_of_a_tone():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    power = released_mel(tone)
    assert power.shape == (16_000 // 533 + 1, 128)
    assert abs(power[10].argmax() - mel_filters()[:, 128].argmax()) <= 1, "bin 128 of 2048 points at 16 kHz is 1000 Hz"


def test_mel_power_is_the_same_in_blocks(monkeypatch):
    audio = noise(40_000)
    whole = mel_power(audio, 512)
    monkeypatch.setattr(spectrogram, "_BLOCK", 7)
    np.testing.assert_allclose(mel_power(audio, 512), whole, rtol=1e-5)


@pytest.mark.slow
def test_mel_power_agrees_with_librosa():
    feature = pytest.importorskip("librosa.feature")
    audio = noise(40_000)
    expected = feature.melspectrogram(y=audio, sr=16_000, n_mels=128, hop_length=533).T
    np.testing.assert_allclose(released_mel(audio), expected, rtol=1e-4)
