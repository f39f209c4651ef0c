import numpy as np
import pytest

from gesturebench.common.features.onsets import audio_onsets

RATE = 16_000


def bursts(times, seconds=6.0, seed=0):
    rng = np.random.default_rng(seed)
    audio = 1e-4 * rng.normal(size=int(seconds * RATE))
    for time in times:
        at = int(time * RATE)
        audio[at : at + 800] += 0.3 * rng.normal(size=800)
    return audio.astype(np.float32)


def test_bursts_are_onsets():
    times = np.array([0.7, 1.5, 2.2, 3.9, 4.4])
    onsets = audio_onsets(bursts(times))
    assert np.abs(onsets[:, None] - times).min(0).max() < 0.064
    assert np.abs(onsets[:, None] - times).min(1).max() < 0.13


def test_a_delay_of_whole_hops_delays_the_onsets():
    audio = bursts([0.7, 1.5, 2.2, 3.9])
    delayed = np.concatenate([1e-4 * np.random.default_rng(9).normal(size=10 * 512).astype(np.float32), audio])
    early, late = audio_onsets(audio), audio_onsets(delayed)
    assert np.isin(np.round((early + 0.32) * RATE / 512), np.round(late * RATE / 512)).mean() > 0.9


def test_louder_is_no_different():
    audio = bursts([0.7, 1.5, 2.2, 3.9])
    np.testing.assert_array_equal(audio_onsets(audio), audio_onsets(0.5 * audio))


def test_silence_and_nothing_have_no_onsets():
    assert not len(audio_onsets(np.zeros(RATE, np.float32)))
    assert not len(audio_onsets(np.empty(0, np.float32)))
    assert audio_onsets(np.ones(1, np.float32)).dtype == np.float64


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_librosa(seed):
    """The library whose defaults are reproduced, on bursts at random times and of random loudness."""
    librosa_onset = pytest.importorskip("librosa.onset")
    rng = np.random.default_rng(seed)
    audio = bursts(rng.uniform(0.2, 5.8, 20), seed=seed) * rng.uniform(0.1, 1)
    expected = librosa_onset.onset_detect(y=audio.astype(np.float32), sr=RATE, hop_length=512, units="time")
    assert len(expected) > 5
    np.testing.assert_allclose(audio_onsets(audio), expected)
