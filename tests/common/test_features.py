"""Speech features: aligned to motion frames, equal for equal input, independent of what follows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.common.features.mel import BANDS, mel_filters
from gesturebench.common.features.registry import FEATURES, compute_feature
from gesturebench.common.features.words import word_vector


def speech(audio: np.ndarray, *words: Word) -> Speech:
    return Speech("clip", audio.astype(np.float32), 2, words=words)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=int(seconds * 16_000))


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("samples", [534, 16_000, 17_777, 160_000])
def test_one_row_per_frame(name, samples):
    spoken = speech(noise(samples / 16_000), Word("hello", 0.0, samples / 16_000))
    rows = compute_feature(name, spoken)
    assert rows.shape == (spoken.n_frames(30), FEATURES[name].dim)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", FEATURES)
def test_silence_is_finite(name):
    assert np.isfinite(compute_feature(name, speech(np.zeros(16_000)))).all()


def test_unknown_feature():
    with pytest.raises(InputError, match="did you mean 'words'"):
        compute_feature("word", speech(noise(1)))


def test_filters_agree_with_librosa():
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=BANDS, htk=True, norm=None)
    np.testing.assert_allclose(mel_filters(), expected.T, atol=1e-5)


@pytest.mark.parametrize("at_s", [0.5, 1.0, 1.7])
def test_a_click_is_loudest_in_its_own_frame(at_s):
    audio = np.zeros(48_000)
    audio[int(at_s * 16_000)] = 1
    rows = compute_feature("mel", speech(audio))
    assert abs(rows[:, BANDS].argmax() - round(at_s * 30)) == 0
    assert rows[:, BANDS + 1].argmax() in (round(at_s * 30) - 1, round(at_s * 30))


def test_a_tone_lights_its_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    band = compute_feature("mel", speech(tone))[30, :BANDS].argmax()
    assert abs(band - mel_filters()[64].argmax()) <= 1, "bin 64 of 1024 points at 16 kHz is 1000 Hz"


def test_frames_far_apart_do_not_see_each_other():
    """The first second is the same whatever is said in the third; a shift by whole frames shifts the rows."""
    start, one, two = noise(2), noise(1, 1), noise(1, 2)
    a, b = (compute_feature("mel", speech(np.concatenate([start, end]))) for end in (one, two))
    np.testing.assert_allclose(a[:55], b[:55], atol=1e-4)
    assert np.abs(a[65:] - b[65:]).max() > 0.1
    shifted = compute_feature("mel", speech(np.concatenate([np.zeros(16_000), start])))
    np.testing.assert_allclose(shifted[35:], compute_feature("mel", speech(start))[5:], atol=1e-3)


def test_long_audio_is_the_same_in_blocks(monkeypatch):
    from gesturebench.common.features import mel

    spoken = speech(noise(3))
    whole = mel.mel(spoken)
    monkeypatch.setattr(mel, "_BLOCK", 17)
    np.testing.assert_allclose(mel.mel(spoken), whole, atol=1e-4)


def test_a_word_holds_its_frames():
    rows = compute_feature("words", speech(noise(2), Word("One", 0.5, 1.0), Word("tick", 1.51, 1.52)))
    np.testing.assert_array_equal(rows[15:30], np.broadcast_to(word_vector("one"), (15, 64)))
    assert not rows[:15].any()
    assert not rows[30:45].any()
    assert (rows[45] == word_vector("tick")).all(), "a word between two frames still shows"
    assert not rows[46:].any()


def test_words_past_the_audio_are_cut():
    assert compute_feature("words", speech(noise(1), Word("late", 0.9, 3.0), Word("later", 5.0, 6.0))).shape == (30, 64)


@given(st.text(max_size=12), st.text(max_size=12))
def test_words_differ_unless_they_are_the_same_word(a, b):
    same = bool((word_vector(a) == word_vector(b)).all())
    assert same == (a.lower().strip(" .,;:!?\"'()[]-") == b.lower().strip(" .,;:!?\"'()[]-"))


def test_word_vectors_are_standardised_and_fixed():
    table = np.stack([word_vector(f"word{i}") for i in range(2000)])
    assert abs(table.mean()) < 0.01
    assert table.var() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(np.corrcoef(table.T) - np.eye(64), 0, atol=0.12)
    assert word_vector("hello")[:3] == pytest.approx((0.564455, -1.035121, -0.086112), abs=1e-6)


def voice(pitch_hz: np.ndarray | float, seconds: float = 2.0, loudness: float = 0.1) -> np.ndarray:
    """Seven harmonics of a pitch that may change from sample to sample."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch_hz, int(seconds * 16_000))) / 16_000
    return loudness * sum(np.sin(k * phase + k) / k for k in range(1, 8))


@pytest.mark.parametrize("pitch_hz", [65, 110, 150, 240, 390])
def test_pitch_of_a_steady_voice(pitch_hz):
    voicing, octaves, _ = compute_feature("prosody", speech(voice(pitch_hz)))[3:-3].T
    np.testing.assert_allclose(150 * 2**octaves, pitch_hz, rtol=2e-3)
    assert voicing.min() > 0.95


def test_pitch_follows_a_glide():
    pitch_hz = np.geomspace(100, 200, 32_000)
    octaves = compute_feature("prosody", speech(voice(pitch_hz)))[:, 1]
    at_frames = pitch_hz[(np.arange(60) * 16_000 / 30).astype(int)]
    np.testing.assert_allclose(octaves[3:-3], np.log2(at_frames / 150)[3:-3], atol=0.02)


def test_pitch_does_not_depend_on_loudness():
    loud, quiet = (compute_feature("prosody", speech(voice(120, loudness=level))) for level in (0.2, 0.02))
    np.testing.assert_allclose(loud[:, :2], quiet[:, :2], atol=1e-3)
    np.testing.assert_allclose((loud - quiet)[3:-3, 2], np.log(100) / 3, atol=2e-2)


def test_noise_and_silence_have_no_pitch():
    for audio in (noise(2), np.zeros(32_000)):
        voicing, octaves, _ = compute_feature("prosody", speech(audio)).T
        assert voicing.max() < 0.5
        assert not octaves.any()


def test_long_audio_has_the_same_prosody_in_blocks(monkeypatch):
    from gesturebench.common.features import prosody

    spoken = speech(voice(np.geomspace(80, 300, 48_000), 3.0))
    whole = prosody.prosody(spoken)
    monkeypatch.setattr(prosody, "_BLOCK", 17)
    np.testing.assert_allclose(prosody.prosody(spoken), whole, atol=1e-4)
