"""What the network is told of a speech."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.windows import Window
from gesturebench.common.features.mel import mel
from gesturebench.common.features.preparing import prepare_windows
from gesturebench.common.features.words import word_vector
from gesturebench.common.fitting import FitContext
from gesturebench.common.nn.positions import sinusoid
from gesturebench.methods.remodiffuse.components import AUDIOS, TEXTS, missing_models, trained_components
from gesturebench.methods.remodiffuse.conditions import (
    FIELD,
    HOP,
    CorpusTeller,
    Teller,
    audio_width,
    halved,
    resampled,
    speaker_of,
)
from gesturebench.methods.remodiffuse.config import PRESETS
from gesturebench.methods.remodiffuse.fitting import prepared
from tests.encoders import WIDTH, write_bert, write_wav2vec2

CONFIG = PRESETS["tiny"].conditions


def test_clips_of_the_corpus_are_told_as_speeches_are(store):
    clip = store.split("train")[0]
    windows = [Window(clip, 0, 120), Window(clip, 46, 120)]
    told = CorpusTeller(store, CONFIG).batch(windows)
    teller = Teller.of(store.speech(clip), CONFIG)
    for row, window in enumerate(windows):
        alone = teller.window(window, speaker_of(clip))
        assert torch.equal(told.text[row], alone.text[0])
        assert (told.audio[row] - alone.audio[0]).abs().max() < 1e-5
        assert told.speaker[row] == alone.speaker[0]


def test_tokens_are_the_words_inside_with_their_times(store):
    speech = store.speech(store.split("train")[0])
    window = Window(speech.clip_id, 30, 120)
    inside = [word for word in speech.words if word.start_s >= 1.0 and word.end_s <= 5.0]
    text = Teller.of(speech, CONFIG).window(window, 0).text[0]
    assert inside
    assert text.shape == (CONFIG.text.tokens, 64)
    assert not text[len(inside) :].any()
    frames = torch.tensor([int((word.start_s - 1.0) * 15) for word in inside])
    expected = np.stack([word_vector(word.text) for word in inside]) + sinusoid(len(inside), 64, frames).numpy()
    assert np.abs(text[: len(inside)].numpy() - expected).max() < 1e-5


def test_behind_the_end_there_is_silence(store):
    speech = store.speech(store.split("train")[0])
    half = replace(speech, audio=speech.audio[: SAMPLE_RATE // 2], words=())
    told = Teller.of(half, CONFIG).window(Window(half.clip_id, 0, 120), 3)
    assert told.audio.shape == (1, 60, audio_width(CONFIG))
    assert told.audio[0, :8].any()
    assert not told.audio[0, 8:].any()
    assert not told.text.any()


def test_halved_rows_are_means_of_neighbours():
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    assert halved(rows).tolist() == [[1, 2], [5, 6], [8, 9]]


@pytest.mark.parametrize("frames", [1, 8, 150])
def test_encoder_rows_are_resampled_by_their_centres(frames):
    count = max(0, (frames * SAMPLE_RATE // 15 - FIELD) // HOP + 1)
    centres_s = (np.arange(count) * HOP + FIELD / 2) / SAMPLE_RATE
    found = resampled(np.stack([centres_s, np.ones(count)], 1).astype(np.float32), frames)
    middles_s = (np.arange(frames) + 0.5) / 15
    assert found.shape == (frames, 2)
    assert np.abs(found[:, 0] - middles_s).max() < 1 / 15  # a row's time stays in or beside its frame
    assert np.allclose(found[:, 1], 1)


def test_no_rows_are_silence():
    assert not resampled(np.zeros((0, 3), np.float32), 4).any()


def test_onsets_stand_beside_audio_that_lacks_them(store):
    config = CONFIG.updated({"audio": "prosody"})
    speech = store.speech(store.split("train")[0])
    told = Teller.of(speech, config).window(Window(speech.clip_id, 0, 120), 0)
    assert told.audio.shape[-1] == audio_width(config) == 4
    assert np.allclose(told.audio[0, :, -1].numpy(), halved(mel(speech))[:60, -1], atol=1e-6)


@pytest.fixture(scope="module")
def encoded(store, tmp_path_factory):
    """A configuration with pretrained encoders, and what they make of the training split."""
    folder = tmp_path_factory.mktemp("encoders")
    text = {"encoder": "bert", "model": {"model": str(write_bert(folder / "bert"))}}
    audio = {"audio": "wav2vec2", "wav2vec2": {"model": str(write_wav2vec2(folder / "wav2vec2"))}}
    config = PRESETS["tiny"].updated({"motion": {"stride": 15}, "conditions": {"text": text, **audio}})
    artifacts = {}
    for part in trained_components(config):
        if part.name in (TEXTS, AUDIOS):
            artifacts[part.name], work = (tmp_path_factory.mktemp(part.name) for _ in range(2))
            prepare_windows(part.config, FitContext(store, artifacts[part.name], work, place=part.place))
    return config, artifacts


def test_what_encoders_made_before_is_what_they_make(encoded, store):
    config, artifacts = encoded
    told = config.conditions
    assert artifacts.keys() == {TEXTS, AUDIOS}
    before = CorpusTeller(store, told, *(prepared(artifacts, name) for name in (TEXTS, AUDIOS)))
    clip = store.split("train")[0]
    window = Window(clip, 60, 120)
    live = Teller.of(store.speech(clip), told).window(window, speaker_of(clip))
    found = before.batch([window])
    assert found.text.shape == (1, told.text.tokens, WIDTH)
    assert found.audio.shape == (1, 60, audio_width(told)) == (1, 60, WIDTH + 1)
    assert (found.text - live.text).abs().max() < 1e-2  # windows lie on the disk in float16
    assert (found.audio - live.audio).abs().max() < 1e-2
    assert live.text[0, 0].any()


def test_models_that_are_not_here_are_named(encoded):
    config, _ = encoded
    assert missing_models(config) == ()
    away = config.updated({"conditions": {"text": {"model": {"model": "nobody/none", "revision": "0" * 40}}}})
    assert [line.split(":")[0] for line in missing_models(away)] == ["conditions.text.model"]
