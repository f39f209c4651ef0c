"""The cache of dear features: computed once, keyed by all that matters, whole or absent."""

import json

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.common.features.cache import FeatureCache, content_hash


class Loudness:
    """A real, small feature that counts how often it is computed."""

    name = "loudness"

    def __init__(self, **settings):
        self.settings, self.computed = settings, 0

    def passport(self):
        return self.settings

    def rows(self, speech: Speech) -> np.ndarray:
        self.computed += 1
        return np.abs(speech.audio).reshape(-1, 100).mean(axis=1, keepdims=True)


def speech(clip: str = "2_scott_0_1_1", seed: int = 0, *words: Word) -> Speech:
    return Speech(clip, np.random.default_rng(seed).normal(size=1600).astype(np.float32), 2, words=words)


def test_computed_once(tmp_path):
    feature, cache = Loudness(), FeatureCache(tmp_path)
    first = cache.get(feature, speech())
    np.testing.assert_array_equal(cache.get(feature, speech()), first)
    np.testing.assert_array_equal(FeatureCache(tmp_path).get(feature, speech()), feature.rows(speech()))
    assert feature.computed == 2, "once for the cache, once by this test"
    assert first.dtype == np.float32


def test_settings_have_their_own_folder(tmp_path):
    cache = FeatureCache(tmp_path)
    paths = {cache.path(Loudness(layers=layers), speech()).parent for layers in (1, 2, 1)}
    paths.add(FeatureCache(tmp_path, "float16").path(Loudness(layers=1), speech()).parent)
    assert len(paths) == 3
    passport = json.loads((cache.path(Loudness(layers=2), speech()).parent / "passport.json").read_text())
    assert passport == {"feature": "loudness", "dtype": "float32", "layers": 2}


def test_a_window_does_not_get_the_rows_of_its_clip(tmp_path):
    feature, cache, whole = Loudness(), FeatureCache(tmp_path), speech()
    window = Speech(whole.clip_id, whole.audio[:800], whole.speaker)
    assert len(cache.get(feature, whole)) == 16
    assert len(cache.get(feature, window)) == 8
    assert len(cache.get(feature, whole)) == 16
    assert feature.computed == 2


def test_content_is_audio_words_and_transcript():
    plain = speech()
    variants = [
        speech(seed=1),
        speech("2_scott_0_1_1", 0, Word("a", 0, 1)),
        speech("2_scott_0_1_1", 0, Word("b", 0, 1)),
    ]
    transcribed = Speech(plain.clip_id, plain.audio, 2, transcript=(Word("a", 0, 1),))
    assert len({content_hash(s) for s in (plain, transcribed, *variants)}) == 5
    assert content_hash(speech()) == content_hash(speech("another_name"))


def test_half_precision(tmp_path):
    feature = Loudness()
    stored = FeatureCache(tmp_path, "float16").get(feature, speech())
    np.testing.assert_allclose(stored, feature.rows(speech()), rtol=5e-4)
    assert stored.dtype == np.float32


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    feature, cache = Loudness(), FeatureCache(tmp_path)
    expected, path = cache.get(feature, speech()), cache.path(feature, speech())
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-200] ^= 255
    path.write_bytes({"empty": b"", "cut": bytes(content[:150]), "flipped": bytes(content)}[damage])
    np.testing.assert_array_equal(cache.get(feature, speech()), expected)
    assert feature.computed == 2
    np.testing.assert_array_equal(cache.get(feature, speech()), expected)
    assert feature.computed == 2, "the file is whole again"


def test_an_interrupted_fill_goes_on(tmp_path):
    class Interrupted(Loudness):
        def rows(self, speech: Speech) -> np.ndarray:
            if self.computed == 2:
                raise KeyboardInterrupt
            return super().rows(speech)

    speeches = [speech(f"clip{k}", k) for k in range(4)]
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path).fill(Interrupted(), speeches, len(speeches))
    feature, calls = Loudness(), []
    computed = FeatureCache(tmp_path).fill(feature, speeches, 4, lambda done, total: calls.append((done, total)))
    assert computed == feature.computed == 2
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sorted(path.name.split("-")[0] for path in tmp_path.rglob("*.npz")) == [f"clip{k}" for k in range(4)]
    assert not list(tmp_path.rglob("*.part"))


def test_rows_that_are_not_finite_are_refused(tmp_path):
    silent = Speech("broken", np.full(1600, np.nan, np.float32), 2)
    with pytest.raises(InputError, match="feature loudness of broken: 16 values are not finite"):
        FeatureCache(tmp_path).get(Loudness(), silent)
    assert not list(tmp_path.rglob("*.npz"))
