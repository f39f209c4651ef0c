"""Sound files: one resampling by default, the released two by name."""

import sys

import numpy as np
import pytest
import soundfile

from gesturebench.common.corpus.audio import legacy_22050, read_audio, read_header, resampled_length
from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.errors import InputError


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 300 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("subtype", "step"), [("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 0), ("DOUBLE", 0)])
def test_sample_formats(tmp_path, subtype, step):
    soundfile.write(tmp_path / "a.wav", tone(16_000), 16_000, subtype=subtype)
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), tone(16_000), rtol=0, atol=step)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("n", [1, 997, 10_000])
def test_the_length_is_known_from_the_header(tmp_path, rate, n):
    soundfile.write(tmp_path / "a.wav", np.zeros(n), rate)
    header = read_header(tmp_path / "a.wav")
    assert resampled_length(header) == len(read_audio(tmp_path / "a.wav"))


def test_released_resampling_is_that_of_librosa(tmp_path):
    librosa = pytest.importorskip("librosa")
    noise = np.random.default_rng(0).normal(size=23_456).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "a.wav", noise, 16_000, subtype="FLOAT")
    released, rate = librosa.load(tmp_path / "a.wav")
    released = librosa.resample(released, orig_sr=rate, target_sr=16_000)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", "legacy_22050"), released)
    np.testing.assert_array_equal(legacy_22050(noise), released)


def test_released_resampling_changes_samples_and_sometimes_the_length():
    assert [len(legacy_22050(np.zeros(n))) for n in (116_000, 16_000)] == [116_001, 16_000]
    assert np.abs(legacy_22050(tone(16_000)) - tone(16_000))[500:-500].max() < 1e-3


def test_the_folder_reads_as_it_is_told(corpus):
    clip = "2_scott_0_1_1"
    once, legacy = (Beat2Folder(corpus, resampling=kind).read(clip).speech.audio for kind in ("once", "legacy_22050"))
    assert once.shape == legacy.shape
    assert 0 < np.abs(once - legacy).max() < 0.2
    with pytest.raises(InputError, match="unknown resampling 'twice'"):
        Beat2Folder(corpus, resampling="twice").read(clip)


def test_without_soxr_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(InputError, match="pip install soxr"):
        legacy_22050(tone(16_000))
