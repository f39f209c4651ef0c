"""Conditions of pretrained encoders: planned without them, prepared before training, encoded in generation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import laid_out
from gesturebench.common.errors import InputError
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.common.features.preparing import prepare_windows
from gesturebench.common.features.window_config import BERT, WAV2VEC2
from gesturebench.common.fitting import FitContext
from gesturebench.methods.rag_gesture.condition_features import FEATURES, missing_models, window_step
from gesturebench.methods.rag_gesture.conditions import SpeechConditions, stored, texts, training_windows, widths
from gesturebench.methods.rag_gesture.config import PRESETS, ConditionConfig, RagGestureConfig
from gesturebench.methods.rag_gesture.fitting import build_denoiser
from gesturebench.methods.rag_gesture.method import RagGesture
from tests.encoders import WIDTH, write_bert, write_wav2vec2

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict:
    """The section `conditions` that reads both encoders."""
    folder = tmp_path_factory.mktemp("models")
    bert, wav2vec2 = write_bert(folder / "bert"), write_wav2vec2(folder / "wav2vec2")
    return {
        "text": "bert",
        "audio": "wav2vec2",
        "positions": False,
        "bert": {"model": str(bert), "revision": None},
        "wav2vec2": {"model": str(wav2vec2), "revision": None},
    }


@pytest.fixture(autouse=True)
def cache_here(tmp_path, monkeypatch):
    monkeypatch.setattr("gesturebench.common.features.window_encoder.cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def no_models(tmp_path, monkeypatch):
    """A machine on which no model of the hub is."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def names(config: RagGestureConfig) -> list[str]:
    return [component.name for component in RagGesture.components(config)]


def feature_key(config: RagGestureConfig) -> dict:
    return next(dict(part.config) for part in RagGesture.components(config) if part.name == FEATURES)


def made(config: RagGestureConfig, store: ClipStore, folder: Path) -> PreparedWindows:
    part = next(part for part in RagGesture.components(config) if part.name == FEATURES)
    (folder / "out").mkdir()
    prepare_windows(part.config, FitContext(store, folder / "out", folder / "work", place=part.place))
    return PreparedWindows(folder / "out")


# Planning


def test_the_paper_reads_both_encoders_and_the_small_sizes_none(no_models):
    paper = PRESETS["paper"]
    assert (paper.conditions.text, paper.conditions.audio, paper.conditions.positions) == ("bert", "wav2vec2", False)
    assert widths(paper.conditions) == (768, 768)
    assert FEATURES in names(paper)
    lines = missing_models(paper)
    assert [line.split(":")[0] for line in lines] == ["conditions.bert.model", "conditions.wav2vec2.model"]
    for size in ("tiny", "demo"):
        assert FEATURES not in names(PRESETS[size])
        assert not missing_models(PRESETS[size])


def test_the_key_of_the_paper_s_features_is_their_commits(no_models):
    values = feature_key(PRESETS["paper"])
    assert values["encoding"]["text"] == f"commit:{BERT.revision}"
    assert values["encoding"]["audio"] == f"commit:{WAV2VEC2.revision}"
    assert (values["length"], values["step"]) == (300, 10), "windows of 10 s, every 5 frames at 15 fps"
    assert window_step(PRESETS["paper"].updated({"denoiser": {"window_stride": None}})) == 30, "else whole chunks"


def test_the_key_of_a_folder_is_its_content(encoders, tmp_path):
    base = PRESETS["tiny"].updated({"conditions": encoders})
    moved = Path(encoders["bert"]["model"]).rename(tmp_path / "bert")
    there = base.updated({"conditions": {"bert": {"model": str(moved)}}})
    found = feature_key(there)
    moved.rename(encoders["bert"]["model"])
    assert feature_key(base) == found
    other = base.updated({"conditions": {"granularity": "clip"}})
    assert feature_key(other) != found


def test_settings_of_encoders_are_no_part_of_a_run_that_reads_none():
    plain = ConditionConfig().model_dump(mode="json")
    assert plain == {"text": "words", "audio": "mel", "text_fps": 15, "audio_fps": 15, "positions": True}
    assert ConditionConfig(granularity="clip").model_dump(mode="json") == plain
    encoded = ConditionConfig(text="bert")
    assert {"bert", "granularity", "source", "stored"} <= encoded.model_dump(mode="json").keys()
    assert "wav2vec2" not in encoded.model_dump(mode="json")
    assert ConditionConfig.parse(encoded.model_dump(mode="json")) == encoded


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": "wav2vec2"}, "unknown feature 'wav2vec2'; expected one of bert, mel, prosody, words"),
        ({"audio": "bert"}, "unknown feature 'bert'; expected one of mel, prosody, wav2vec2, words"),
        ({"text": "bert", "text_fps": 30}, "text_fps 15 with the feature bert"),
        ({"granularity": "word"}, "granularity"),
    ],
)
def test_faults(values, message):
    with pytest.raises(InputError, match=message):
        ConditionConfig.parse(values, "conditions")


def test_a_branch_of_the_hub_says_nothing_about_the_model(no_models):
    config = PRESETS["paper"].updated({"conditions": {"bert": {"revision": "main"}}})
    with pytest.raises(InputError, match="expected a commit of 40 hexadecimal digits"):
        RagGesture.components(config)


# Windows


@pytest.mark.parametrize("features", [{"text": "bert"}, {"audio": "wav2vec2"}, {}])
def test_a_window_in_training_and_in_generation_is_told_the_same(small, store, encoders, features, tmp_path):
    """Each encoder beside a feature of the clip store, and both."""
    chosen = {**encoders, "text": "words", "audio": "mel", **features} if features else encoders
    config = small.config("rag_gesture", conditions={**chosen, "stored": "float32"})
    prepared = made(config, store, tmp_path)
    windows = laid_out(store, "train", 120, 50)[:4]
    training = stored(store, windows, config.conditions, prepared)
    afresh = stored(store, windows, config.conditions)
    for row, window in enumerate(windows):
        live = SpeechConditions(store.speech(window.clip_id), config.conditions).window(window.start, window.length)
        for name in ("text", "audio", "speaker"):
            torch.testing.assert_close(getattr(training, name)[row], getattr(live, name)[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(getattr(afresh, name)[row], getattr(live, name)[0], atol=1e-5, rtol=1e-5)
    if not features:
        assert training.text.shape == (4, 60, WIDTH)
        assert training.audio.shape == (4, 199, WIDTH)
    denoiser, _ = build_denoiser(config)
    assert (denoiser.text_pre_proj.in_features, denoiser.audio_pre_proj.in_features) == widths(config.conditions)


def test_windows_without_words_are_left_out_where_that_is_asked_for(small, store):
    config = small.config("rag_gesture", codec={"frames": 10}, overlap=5)
    everything = laid_out(store, "train", 20, window_step(config))
    assert training_windows(store, config) is None
    skipped = training_windows(store, config.updated({"conditions": {"empty_text": "skipped"}}))
    assert set(skipped.windows) < set(everything)
    with pytest.raises(InputError, match=f"'released' leaves none of {len(everything)} training windows"):
        training_windows(store, config.updated({"conditions": {"empty_text": "released"}}))


def test_retrieval_compares_what_the_condition_is_made_of(store, encoders):
    speech = store.speech(store.split("train")[0])
    windows = laid_out(store, "train", 120, 60)[:2]
    assert [rows.shape[1] for rows in texts(ConditionConfig())(speech, windows)] == [64, 64]
    tokens = texts(ConditionConfig.parse(encoders))(speech, windows)
    assert [rows.shape[1] for rows in tokens] == [WIDTH, WIDTH]
    assert len(tokens[0]) > len(texts(ConditionConfig())(speech, windows)[0])


# The whole way


@pytest.mark.parametrize("granularity", ["window", "clip"])
def test_a_method_on_encoders_is_trained_and_generates(small, generate, clips, encoders, granularity):
    settings = {
        "conditions": {**encoders, "granularity": granularity, "empty_text": "skipped"},
        "retrieval": {"strategy": "discourse", "window_stride": 30},
    }
    together = generate("rag_gesture", clips, **settings)
    for motion, clip in zip(together, clips, strict=True):
        assert motion.checked(clip.id).n_frames == clip.speech.n_frames(30)
    alone = generate("rag_gesture", clips[::-1], batch_size=1, **settings)[::-1]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a.poses, b.poses, atol=1e-4)


def test_speech_with_nothing_but_audio(small, silent_speech, encoders):
    method = small.load("rag_gesture", conditions={**encoders, "empty_text": "skipped"})
    motion = method.generate([replace(silent_speech, speaker=30)], seed=0)[0]
    assert motion.checked("silent").n_frames == silent_speech.n_frames(30)


def test_what_is_said_matters(small, generate, clips, encoders):
    settings = {"conditions": {**encoders, "empty_text": "skipped"}}
    clip = clips[1]
    mute = replace(clip, speech=replace(clip.speech, words=(), tokens=()))
    a, b = generate("rag_gesture", [clip], **settings)[0], generate("rag_gesture", [mute], **settings)[0]
    assert np.abs(a.poses - b.poses).max() > 1e-6
