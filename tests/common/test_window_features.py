"""Windows of speech through pretrained encoders: alone, together, prepared on the disk, and cut out of whole clips."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.annotations import read_tokens
from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.corpus.windows import ListedWindows, Window, laid_out
from gesturebench.common.errors import InputError
from gesturebench.common.features.cache import FeatureCache
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.common.features.preparing import prepare_windows
from gesturebench.common.features.pretrained import (
    Pretrained,
    absence,
    folder_of,
    identity,
    load_model,
    stated_identity,
    width_of,
)
from gesturebench.common.features.text_encoder import word_means
from gesturebench.common.features.text_rows import text_rows
from gesturebench.common.features.window_config import BERT, WAV2VEC2, WAVLM, WindowEncoding
from gesturebench.common.features.window_encoder import Heard, SpeechEncoding, WindowEncoder
from gesturebench.common.features.window_text import empty_windows, spoken, window_words, with_words
from gesturebench.common.features.words import word_vector
from gesturebench.common.fitting import FitContext
from gesturebench.common.progress import Stopped
from tests.encoders import WIDTH, write_bert, write_wav2vec2

transformers = pytest.importorskip("transformers")
LENGTH, STEP = 90, 30


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> tuple[Path, Path]:
    """Folders of a language model and a speech encoder."""
    folder = tmp_path_factory.mktemp("models")
    return write_bert(folder / "bert"), write_wav2vec2(folder / "wav2vec2")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    root, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    generate_corpus(StandinPreset(speakers=1, clips=3, sentences=2, test_share=0.34), root, workers=1)
    build_store(root, out)
    return ClipStore.open(out)


@pytest.fixture(scope="module")
def encoding(models) -> WindowEncoding:
    bert, wav2vec2 = (Pretrained(model=str(folder)) for folder in models)
    return WindowEncoding(text=bert, audio=wav2vec2, stored="float32")


@pytest.fixture(autouse=True)
def cache_here(tmp_path, monkeypatch):
    """What is encoded live is kept below the user's cache, which is not this test's to fill."""
    monkeypatch.setattr("gesturebench.common.features.window_encoder.cache_folder", lambda: tmp_path / "cache")


def prepared(store, encoding, tmp_path, **changes) -> PreparedWindows:
    out = tmp_path / "out"
    out.mkdir()
    values = {"length": LENGTH, "step": STEP, "split": "train"}
    place = {"encoding": encoding.model_dump(mode="json")}
    prepare_windows(values, FitContext(store, out, tmp_path / "work", place=place, **changes))
    return PreparedWindows(out)


# Words of a window


def test_words_lie_inside_as_a_whole_and_marks_join_the_word_before():
    words = [
        Word("in", 0.9, 1.1),
        Word("Well", 1.0, 1.4),
        Word(",", 1.0, 1.4),
        Word("so", 1.4, 2.0),
        Word("on", 1.9, 2.1),
    ]
    found = window_words(words, 1.0, 2.0)
    assert [word.text for word in found] == ["Well,", "so"]
    assert [(word.start_s, word.end_s) for word in found] == [(0.0, pytest.approx(0.4)), (pytest.approx(0.4), 1.0)]


def test_tokens_are_read_where_there_are_any():
    speech = Speech("a", np.zeros(1, np.float32), 1, words=(Word("well", 0, 1),), tokens=(Word("Well", 0, 1),))
    assert spoken(speech)[0].text == "Well"
    assert spoken(replace(speech, tokens=()))[0].text == "well"
    assert spoken(speech, "words")[0].text == "well"


def test_the_reader_finds_tokens_and_the_store_keeps_them(store):
    for clip_id in store.ids:
        speech = store.speech(clip_id)
        marks = [token for token in speech.tokens if not token.text[0].isalnum()]
        assert len(speech.tokens) - len(marks) == len(speech.words)
        assert marks


@pytest.mark.parametrize("value", [{}, {"sentences": [{"tokens": [{"surface": "a", "startSec": 2, "endSec": 1}]}]}, []])
def test_a_file_without_tokens_is_named(value, tmp_path):
    path = tmp_path / "a_whisper_relations.json"
    path.write_text(json.dumps(value))
    with pytest.raises(
        InputError, match=r"a_whisper_relations.json: not a list of tokens .* surface, startSec, endSec"
    ):
        read_tokens(path)


@pytest.mark.parametrize(("rule", "left"), [("kept", 4), ("skipped", 3), ("released", 2)])
def test_windows_in_which_nothing_is_said(rule, left):
    windows = [Window("quiet", 0, 30), Window("quiet", 30, 30), Window("talk", 0, 30), Window("talk", 30, 30)]
    assert len(with_words(windows, {windows[1]}, rule)) == left


def test_empty_windows_are_found(store):
    windows = laid_out(store, "train", 15, 15)
    empty = empty_windows(store, windows)
    assert empty
    for window in windows:
        start, end = window.start / 30, window.start / 30 + 0.5
        inside = [w for w in store.speech(window.clip_id).tokens if w.start_s >= start and w.end_s <= end]
        assert (window in empty) == (not inside)


# Encoders


def test_word_vectors_are_as_published(encoding, models):
    """Sum of the last four hidden layers; each word's mean over the tokens of its pieces; int(15 s) frames."""
    words = (Word("don't", 0.1, 0.5), Word("walk", 0.5, 1.25))
    text = WindowEncoder(encoding).texts([words])[0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(models[0])
    read = tokenizer("don't walk", return_tensors="pt")
    with torch.inference_mode():
        states = (
            transformers.BertModel.from_pretrained(models[0]).eval()(**read, output_hidden_states=True).hidden_states
        )
    tokens = sum(states[-4:])[0].numpy()
    np.testing.assert_allclose(text.tokens, tokens, atol=1e-5)
    np.testing.assert_allclose(text.vectors, [tokens[1:6].mean(0), tokens[6:10].mean(0)], atol=1e-5)
    frames = text.frames(30)
    np.testing.assert_array_equal(frames[1:7], np.broadcast_to(text.vectors[0], (6, WIDTH)))
    np.testing.assert_array_equal(frames[7:18], np.broadcast_to(text.vectors[1], (11, WIDTH)))
    assert not frames[0].any()
    assert not frames[18:].any()


def test_a_window_of_ten_seconds_is_heard_as_published(encoding, models):
    """The processor's zero mean and unit variance of exactly 160 000 samples, 499 rows."""
    waves = np.random.default_rng(0).normal(0.02, 0.1, (2, 160_000)).astype(np.float32)
    processor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    model = transformers.Wav2Vec2Model.from_pretrained(models[1]).eval()
    values = torch.tensor(np.array(processor(waves[1], sampling_rate=16_000).input_values))
    with torch.inference_mode():
        expected = model(values).last_hidden_state[0]
    ours = WindowEncoder(encoding).audios(waves)
    assert ours.shape == (2, 499, WIDTH)
    np.testing.assert_allclose(ours[1], expected, atol=1e-5)


def test_windows_are_read_together_as_alone(encoding, store):
    heard, encoder = Heard.of(store.speech(store.ids[0]), encoding), WindowEncoder(encoding)
    windows = [heard.text(start, LENGTH) for start in range(0, 120, 15)] + [()]
    for together, words in zip(encoder.texts(windows), windows, strict=True):
        alone = encoder.texts([words])[0]
        np.testing.assert_allclose(together.tokens, alone.tokens, atol=1e-5)
        np.testing.assert_array_equal(together.owners, alone.owners)
    assert len(encoder.texts([()])[0].tokens) == 2, "silence is the two special tokens"
    assert not encoder.texts([()])[0].frames(15).any()


def test_more_words_than_the_model_reads(encoding, models, tmp_path):
    short = encoding.model_copy(update={"text": Pretrained(model=str(write_bert(tmp_path / "short", positions=12)))})
    words = tuple(Word(text, k, k + 1) for k, text in enumerate(["hello", "walk", "ing", "on"]))
    encoder = WindowEncoder(short)
    text, parts = encoder.texts([words])[0], encoder.texts([words[:2], words[2:]])
    assert len(text.vectors) == 4
    np.testing.assert_allclose(text.vectors, np.concatenate([part.vectors for part in parts]), atol=1e-5)


def test_windows_past_the_end_are_silence(encoding):
    speech = Speech("short", np.full(8_000, 0.1, np.float32), 1)
    wave = Heard.of(speech, encoding).wave(0, 30)
    assert len(wave) == 16_000
    assert not wave[8_000:].any()


def test_the_released_detour_changes_the_samples_and_not_their_number(encoding, store):
    speech = store.speech(store.ids[0])
    straight, detour = (
        Heard.of(speech, encoding.model_copy(update={"resampling": r})).audio for r in ("once", "legacy_22050")
    )
    assert len(straight) == len(detour)
    assert 1e-6 < np.abs(straight - detour).max() < 0.1


def test_what_was_encoded_is_read_from_the_disk(encoding, store, tmp_path):
    heard = Heard.of(store.speech(store.ids[0]), encoding)
    first, again = (WindowEncoder(encoding, cache=FeatureCache(tmp_path)) for _ in range(2))
    wave, words = heard.wave(0, LENGTH)[None], [heard.text(0, LENGTH)]
    np.testing.assert_array_equal(first.audios(wave), again.audios(wave))
    np.testing.assert_array_equal(first.texts(words)[0].tokens, again.texts(words)[0].tokens)
    assert "_model" in vars(first.listener)
    assert "_model" not in vars(again.listener)
    assert len(list(tmp_path.rglob("*.npz"))) == 2


# Prepared windows


@pytest.mark.parametrize("granularity", ["window", "clip"])
def test_prepared_windows_are_those_that_are_encoded_live(store, encoding, tmp_path, granularity):
    encoding = encoding.model_copy(update={"granularity": granularity})
    found = prepared(store, encoding, tmp_path)
    windows = list(found.windows())
    assert windows == laid_out(store, "train", LENGTH, STEP)
    for window in windows[::2]:
        live = SpeechEncoding(store.speech(window.clip_id), encoding)
        assert window in found
        assert found.audio(window).shape == (149, WIDTH)
        np.testing.assert_allclose(found.text(window), live.text(window), atol=1e-5)
        np.testing.assert_allclose(found.audio(window), live.audio(window), atol=1e-5)
    assert Window("nobody", 0, LENGTH) not in found
    assert (Window(windows[0].clip_id, 7, LENGTH) in found) == (granularity == "clip")


def test_a_clip_as_a_whole_is_another_thing_than_its_windows(store, encoding):
    window = laid_out(store, "train", LENGTH, STEP)[1]
    whole = encoding.model_copy(update={"granularity": "clip"})
    speech = store.speech(window.clip_id)
    for rows in ("text", "audio"):
        alone, cut = (getattr(SpeechEncoding(speech, e), rows)(window) for e in (encoding, whole))
        assert alone.shape == cut.shape
        assert np.abs(alone - cut).max() > 1e-3


def test_tokens_of_prepared_windows_are_what_retrieval_compares(store, encoding, tmp_path):
    found = prepared(store, encoding, tmp_path)
    windows = laid_out(store, "train", LENGTH, STEP)[:2]
    speech = store.speech(windows[0].clip_id)
    rows = text_rows(speech, windows, "bert", encoding)
    for window, tokens in zip(windows, rows, strict=True):
        np.testing.assert_allclose(found.tokens(window), tokens, atol=1e-5)
    inside = [w.text for w in speech.words if w.end_s <= LENGTH / 30]
    np.testing.assert_array_equal(text_rows(speech, windows)[0], [word_vector(word) for word in inside])


def test_half_precision_is_the_default_and_close(store, encoding, tmp_path):
    assert WindowEncoding().stored == "float16"
    (tmp_path / "half").mkdir()
    full = prepared(store, encoding, tmp_path)
    half = prepared(store, encoding.model_copy(update={"stored": "float16"}), tmp_path / "half")
    window = next(full.windows())
    np.testing.assert_allclose(half.audio(window), full.audio(window), rtol=1e-3, atol=1e-3)
    assert (half.folder / "audio.npy").stat().st_size < 0.51 * (full.folder / "audio.npy").stat().st_size


def test_a_killed_run_goes_on_and_ends_alike(store, encoding, tmp_path):
    (tmp_path / "killed").mkdir()
    whole, calls = prepared(store, encoding, tmp_path), []

    def stop(done: int, total: int) -> None:
        calls.append((done, total))
        if len(calls) == 1:
            raise Stopped

    with pytest.raises(Stopped):
        prepared(store, encoding, tmp_path / "killed", progress=stop)
    shutil.rmtree(tmp_path / "killed" / "out")
    again = prepared(store, encoding, tmp_path / "killed", progress=stop)
    assert calls[-1][0] == calls[-1][1] == len(list(whole.windows()))
    for name in ("audio.npy", "text.npy", "text.npz", "index.json"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_processes_share_the_clips(store, encoding, tmp_path, monkeypatch):
    """Two processes that are one here: each gets the job as bytes and takes the clips in an order of its own."""

    def apart(function, job, places, workers):
        assert workers == 2
        for place in reversed(places):
            yield function(pickle.loads(pickle.dumps(job)), place)

    (tmp_path / "two").mkdir()
    one = prepared(store, encoding, tmp_path)
    monkeypatch.setattr("gesturebench.common.features.preparing.WINDOWS_PER_PROCESS", 5)
    monkeypatch.setattr("gesturebench.common.features.preparing.over_processes", apart)
    two = prepared(store, encoding, tmp_path / "two", workers=3)
    for name in ("audio.npy", "text.npy", "text.npz", "index.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes(), name


def test_windows_that_the_model_cannot_read_at_once_are_left_out(store, encoding, tmp_path):
    short = encoding.model_copy(
        update={"text": Pretrained(model=str(write_bert(tmp_path / "short", positions=40))), "audio": None}
    )
    found = prepared(store, short, tmp_path)
    everything = laid_out(store, "train", LENGTH, STEP)
    left = list(found.windows())
    assert 0 < len(left) < len(everything)
    reader = WindowEncoder(short).reader
    for window in everything:
        words = Heard.of(store.speech(window.clip_id), short).text(window.start, LENGTH)
        assert (window in found) == reader.fits([word.text for word in words])
    assert not (found.folder / "audio.npy").exists()


def test_a_store_from_before_tokens_is_refused(store, encoding, tmp_path):
    shutil.copytree(store.path, tmp_path / "old")
    index = json.loads((tmp_path / "old" / "index.json").read_text())
    del index["info"]["annotations"]["tokens"]
    (tmp_path / "old" / "index.json").write_text(json.dumps(index))
    old = ClipStore.open(tmp_path / "old")
    with pytest.raises(InputError, match=r"without the tokens of the discourse annotation.*delete the store"):
        prepared(old, encoding, tmp_path)
    shutil.rmtree(tmp_path / "out")
    assert list(prepared(old, encoding.model_copy(update={"source": "words"}), tmp_path).windows())


def test_windows_longer_than_every_clip(store, encoding, tmp_path):
    place = {"encoding": encoding.model_dump(mode="json")}
    with pytest.raises(InputError, match=r"no clip has 9000 frames \(300.0 s\)"):
        prepare_windows(
            {"length": 9000, "step": 30, "split": "train"}, FitContext(store, tmp_path, tmp_path / "w", place=place)
        )
    with pytest.raises(InputError, match="no prepared windows"):
        PreparedWindows(tmp_path)


def test_listed_windows_are_drawn_alike_from_equal_seeds():
    listed = ListedWindows([Window("a", start, 30) for start in range(50)])
    first, second = (listed.draw(20, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 5


# Models that are or are not here


def test_a_pinned_model_is_known_without_being_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for source in (BERT, WAV2VEC2):
        assert stated_identity(source) == identity(source) == f"commit:{source.revision}"
        assert width_of(source) == 768
        assert folder_of(source) is None
        line = absence(source, "conditions.x")
        assert line.startswith("conditions.x: ")
        assert f"hf download {source.model} --revision {source.revision}" in line
        assert '--include "*.safetensors"' in line
        assert "\n" not in line
    assert '--include "pytorch_model.bin"' in absence(WAVLM, "x")  # published without the other file


@pytest.mark.parametrize("revision", [None, "main", "cd5ef92"])
def test_a_model_of_the_hub_needs_a_commit(revision):
    with pytest.raises(InputError, match="expected a commit of 40 hexadecimal digits"):
        stated_identity(Pretrained(model="google-bert/bert-base-cased", revision=revision))


def test_the_hub_s_cache_is_found_and_loaded_without_a_network(models, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--google-bert--bert-base-cased" / "snapshots" / BERT.revision
    shutil.copytree(models[0], snapshot)
    assert folder_of(BERT) == snapshot
    assert absence(BERT, "x") is None
    assert width_of(BERT) == WIDTH
    assert load_model(BERT, "AutoModel", ("pooler.",)).config.hidden_size == WIDTH
    (snapshot / "model.safetensors").unlink()
    assert "is not on this machine" in absence(BERT, "x")


def test_a_folder_is_known_by_its_content(models, tmp_path):
    shutil.copytree(models[0], tmp_path / "copy")
    here, there = (Pretrained(model=str(folder)) for folder in (models[0], tmp_path / "copy"))
    assert stated_identity(here) == stated_identity(there)
    (tmp_path / "copy" / "vocab.txt").write_text("[PAD]")
    assert stated_identity(here) != stated_identity(there)
    gone = absence(Pretrained(model=str(tmp_path / "nothing")), "conditions.bert.model")
    assert gone.startswith("conditions.bert.model: ")
    assert "no such folder" in gone


def test_unknown_widths_name_the_model(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"me/mine .*is not on this machine"):
        width_of(Pretrained(model="me/mine", revision="a" * 40))


def test_word_means_count_nothing_for_special_tokens():
    tokens = np.array([[9.0, 9], [1, 2], [3, 4], [5, 6], [9, 9]], np.float32)
    np.testing.assert_array_equal(word_means(tokens, np.array([-1, 0, 0, 1, -1]), 2), [[2, 3], [5, 6]])
