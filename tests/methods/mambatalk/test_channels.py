"""Pieces of a speech's channels are those of the whole, wherever they are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.features.waveform import amplitude_tokens_wave
from gesturebench.methods.mambatalk.channels import Channels


def speech(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    audio = draw.normal(0.02, 0.1, samples).astype(np.float32)
    return audio, draw.integers(0, 32, max(1, samples // 320)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1), st.integers(1, 4000))
def test_a_piece_is_cut_out_of_the_whole(samples, at, length):
    audio, tokens = speech(samples)
    start = int(at * (samples - 1))
    whole = amplitude_tokens_wave(audio, tokens)[start : start + length]
    piece = Channels(audio, tokens).piece(start, start + length)
    np.testing.assert_array_equal(piece[: len(whole)], whole)
    assert not piece[len(whole) :].any()
    assert piece.shape == (length, 3)


@pytest.mark.parametrize("start", [5000, 9000])
def test_behind_the_end_is_silence(start):
    assert not Channels(*speech(5000)).piece(start, start + 100).any()


def test_letters_of_a_long_speech_do_not_drift():
    samples = 16_000 * 600
    tokens = np.arange(30_000, dtype=np.float32)
    found = Channels(np.zeros(samples, np.float32), tokens).piece(samples - 640, samples)[:, 1]
    assert found.tolist() == [29_998.0] * 320 + [29_999.0] * 320
