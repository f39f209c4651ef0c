"""The phrase database: what it holds, who may get what, and what happens where little or nothing is said."""

import gc
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech, Word
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.features.sentences import sentence_encoder
from gesturebench.common.fitting import FitContext
from gesturebench.common.retrieval.phrases import phrases_of
from gesturebench.methods.base import Component
from gesturebench.methods.remodiffuse.components import trained_components
from gesturebench.methods.remodiffuse.config import PRESETS
from gesturebench.methods.remodiffuse.database import NOBODY, PhraseDatabase
from gesturebench.methods.remodiffuse.database_fitting import fit_phrases
from gesturebench.methods.remodiffuse.entries import bare
from gesturebench.methods.remodiffuse.retrieval_components import (
    MOTION,
    PHRASES,
    RANKINGS,
    phrase_components,
    ranking_components,
)
from gesturebench.methods.remodiffuse.retrieval_config import RetrievalConfig
from gesturebench.methods.remodiffuse.training_motion import TrainingMotion
from tests.encoders import WIDTH, write_bert, write_wav2vec2

TINY = PRESETS["tiny"]
Open = Callable[..., PhraseDatabase]


@pytest.fixture(scope="module")
def fit(store, tmp_path_factory) -> Callable[[Component, dict[str, Path]], Path]:
    def run(component: Component, upstream: dict[str, Path]) -> Path:
        module, _, function = component.fit.partition(":")
        out, work = tmp_path_factory.mktemp(component.name), tmp_path_factory.mktemp("work")
        getattr(import_module(module), function)(
            component.config, FitContext(store, out, work, 0, upstream, place=component.place)
        )
        return out

    return run


@pytest.fixture(scope="module")
def shared(fit) -> dict[str, Path]:
    """What no setting of the score changes."""
    parts = {part.name: part for part in trained_components(TINY)}
    return {name: fit(parts[name], {}) for name in (MOTION, PHRASES)}


@pytest.fixture(scope="module")
def opened(fit, shared) -> Open:
    """`opened(ranked=False, **retrieval)`: a database with these settings."""

    def run(*, ranked: bool = False, **retrieval) -> PhraseDatabase:
        config = TINY.updated({"retrieval": retrieval})
        artifacts = dict(shared)
        if ranked:
            artifacts[RANKINGS] = fit(ranking_components(config.retrieval)[0], shared)
        return PhraseDatabase.load(config, artifacts)

    return run


def clip_of(database: PhraseDatabase, entry: int) -> str:
    return database.place(entry)[0]


def windows_of(store: ClipStore, clip: str) -> list[Window]:
    return [Window(clip, start, 120) for start in range(0, store.n_frames(clip), 60)]


def test_entries_are_the_phrases_of_the_training_split(store, opened):
    database = opened()
    expected = [(clip, phrase) for clip in store.split("train") for phrase in phrases_of(store.speech(clip).words)]
    assert len(database) == len(expected)
    for entry, (clip, phrase) in enumerate(expected):
        name, first, count = database.place(entry)
        assert (name, first) == (clip, phrase.frames(15)[0])
        assert count == phrase.frames(15)[1]
        assert database.entries.texts[database.entries.said[entry]] == phrase.text
    assert not set(database.entries.clips) & {*store.split("val"), *store.split("test")}


def test_motions_are_cut_out_of_the_training_features(opened, shared):
    database, motion = opened(), TrainingMotion(shared[MOTION])
    ids = database.padded([[3], []])
    assert ids.tolist() == [[3, NOBODY], [NOBODY, NOBODY]]
    rows, lengths = database.motions(ids.ravel())
    clip, first, count = database.place(3)
    own = min(count, TINY.motion.frames)
    assert rows.shape == (4, TINY.motion.frames, motion.width)
    assert lengths.tolist() == [own, 0, 0, 0]
    assert np.array_equal(rows[0, :own], motion.rows(clip, first, first + own))
    assert not rows[0, own:].any()
    assert not rows[1:].any()


def test_tokens_are_the_words(opened):
    database = opened()
    tokens = database.text_tokens(np.array([2, NOBODY]))
    words = len(database.entries.texts[database.entries.said[2]].split())
    assert tokens.shape == (2, TINY.retrieval.text.tokens, 64)
    assert tokens[0, :words].any(1).all()
    assert not tokens[0, words:].any()
    assert not tokens[1].any()


@pytest.mark.parametrize("speakers", ["same", "any"])
@pytest.mark.parametrize("exclude", ["entry", "recording", "script"])
def test_training_windows_find_the_same_by_table_and_by_query(store, opened, speakers, exclude):
    database = opened(ranked=True, speakers=speakers, exclude=exclude, length_weight=0.3)
    for clip in store.split("train"):
        speech = store.speech(clip)
        for window in windows_of(store, clip):
            found = [hit.entry for hit in database.query(speech, window)]
            assert database.trained(window) == found
            own = [entry for entry in found if clip_of(database, entry) == clip]
            assert exclude == "entry" or not own


def test_speakers_keep_to_themselves_unless_asked(store, opened):
    speech = store.speech(store.split("test")[0])
    window = Window(speech.clip_id, 0, 120)
    scopes = {scope: opened(speakers=scope, samples=12) for scope in ("same", "any")}
    speakers = {
        scope: {int(database.entries.speaker[hit.entry]) for hit in database.query(speech, window)}
        for scope, database in scopes.items()
    }
    assert speakers["same"] == {speech.speaker}
    assert len(speakers["any"]) == 2


def test_hits_come_best_first_and_the_length_counts(store, opened):
    clip = store.split("test")[0]
    speech, window = store.speech(clip), Window(clip, 0, 120)
    for kind in ("frames", "words", "onsets"):
        hits = opened(samples=6, length=kind, length_weight=50.0).query(speech, window)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    plain = opened(samples=6, length_weight=0.0).query(speech, window)
    assert max(hit.score for hit in plain) > max(hit.score for hit in hits)


def test_a_script_that_was_heard_before_can_be_left_out(store, opened):
    database = opened(samples=12, speakers="any")
    entry = database.entries
    said = store.speech(clip_of(database, 0))
    phrase = phrases_of(said.words)[0]
    stranger = replace(said, clip_id="somebody", words=phrase.words)
    window = Window("somebody", 0, 600)
    first = database.query(stranger, window)[0]
    assert first.entry == 0
    assert first.score == pytest.approx(1.0, abs=1e-5)
    others = opened(samples=12, speakers="any", exclude="script").query(stranger, window)
    assert all(bare(entry.texts[entry.said[hit.entry]]) != bare(phrase.text) for hit in others)
    assert others


def test_the_released_rule_leaves_out_what_is_as_long(store, opened):
    database = opened(ranked=True, samples=12, exclude="same_length", speakers="any")
    frames = database.entries.frames
    for entry, ranking in enumerate(database._rankings):
        assert frames[entry] not in frames[ranking[ranking != NOBODY]]
    test = store.speech(store.split("test")[0])
    hits = database.query(test, Window(test.clip_id, 0, 120))
    assert len(hits) == len(database), "outside training nothing is left out"


def test_fewer_than_k_and_nobody(store, opened):
    database = opened(ranked=True, samples=12)
    clip = store.split("train")[0]
    found = database.trained(Window(clip, 0, 120))
    assert 0 < len(found) < 12
    assert len(database.padded([found])[0]) == 12
    foreign = replace(store.speech(clip), clip_id="other", speaker=30)
    assert database.query(foreign, Window("other", 0, 120)) == []


def test_silence_finds_nothing(opened, silent_speech):
    database = opened(ranked=True)
    assert database.query(silent_speech, Window("unannotated", 0, 90)) == []
    assert database.trained(Window("unannotated", 0, 90)) == []
    pause = replace(silent_speech, words=(Word("hello", 0.0, 0.5),))
    assert database.query(pause, Window("unannotated", 30, 60)) == [], "the window lies in a pause"


def test_function_words_are_compared_by_their_sound(store, opened):
    clip = store.split("train")[0]
    speech = store.speech(clip)
    phrase = phrases_of(speech.words)[0]
    grammar = (Word("so", phrase.start_s, phrase.start_s + 0.5), Word("it", phrase.start_s + 0.5, phrase.end_s))
    unclear = replace(speech, clip_id="somebody", words=grammar)
    window = Window("somebody", 0, 300)
    hit = opened(length_weight=0.0).query(unclear, window)[0]
    assert clip_of(opened(), hit.entry) == clip
    assert hit.score == pytest.approx(1.0, abs=1e-4)
    content = replace(unclear, words=(replace(grammar[0], text="harbour"), grammar[1]))
    by_text, by_sound = (opened(audio_weight=beta, length_weight=0.0).query(content, window)[0] for beta in (0.0, 1.0))
    assert by_sound == hit
    assert by_text.score != hit.score


def test_all_phrases_of_a_window_share_the_places(store, opened):
    database = opened(asked="all", samples=3)
    clip = store.split("test")[1]
    speech = store.speech(clip)
    asked = database.asked_by(speech)
    assert len(asked.found) == 2
    hits = [hit.entry for hit in database.query(speech, Window(clip, 0, store.n_frames(clip)))]
    bests = [int(ids[0]) for ids, _ in asked.found]
    assert len(set(hits)) == 3
    assert set(bests) <= set(hits)


@pytest.mark.parametrize("clip", ["train", "test"])
def test_a_database_is_safe_to_ask_twice(store, opened, clip):
    database, speech = opened(), store.speech(store.split(clip)[0])
    window = Window(speech.clip_id, 0, 120)
    assert database.query(speech, window) == database.query(store.speech(speech.clip_id), window)


def test_what_was_asked_goes_with_the_speech(store, opened):
    database, speech = opened(), store.speech(store.split("test")[0])
    assert database.asked_by(speech) is database.asked_by(speech)
    del speech
    gc.collect()
    assert not database._asked


def test_report(store, opened):
    database = opened()
    report = database.report()
    assert report["entries"] == len(database) == sum(report["per_speaker"].values())
    rows = report["test"]["phrases"]
    assert len(rows) == sum(len(phrases_of(store.speech(clip).words)) for clip in store.split("test"))
    known = {bare(text) for text in database.entries.texts}
    assert all(row["heard"] == (bare(row["text"]) in known) for row in rows)


class Mute:
    """A store in which nobody says a word."""

    def __init__(self, store: ClipStore):
        self._store = store

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def speech(self, clip: str) -> Speech:
        return replace(self._store.speech(clip), words=())


def test_a_database_of_silence_is_refused(store, tmp_path):
    component = phrase_components(TINY.retrieval)[0]
    with pytest.raises(InputError, match=r"nobody says a word.*use_retrieval=false"):
        fit_phrases(component.config, FitContext(Mute(store), tmp_path, tmp_path, place=component.place))


def test_training_without_rankings_is_refused(store, opened):
    with pytest.raises(InputError, match="phrase_rankings"):
        opened().trained(Window(store.split("train")[0], 0, 120))


def test_keys_hold_what_matters_and_nothing_else():
    usual = RetrievalConfig()
    other = usual.updated({"length_weight": 0.5, "samples": 3, "index": "flat", "shown": True})
    assert phrase_components(usual) == phrase_components(other)
    assert ranking_components(usual) != ranking_components(other)
    assert ranking_components(usual) == ranking_components(usual.updated({"samples": 3, "index": "flat"}))
    assert phrase_components(usual) != phrase_components(usual.updated({"phrases": {"gap_s": 0.5}}))
    with pytest.raises(InputError, match="no smaller than samples"):
        usual.updated({"samples": 40})


def test_sounds_of_silence_have_features(store, opened):
    """A phrase behind the end of the audio is heard as nothing."""
    speech = store.speech(store.split("test")[0])
    short = replace(speech, clip_id="cut", audio=speech.audio[: SAMPLE_RATE // 2])
    hits = opened(audio_weight=0.5, length="onsets").query(short, Window("cut", 0, 300))
    assert len(hits) == 2
    assert np.isfinite([hit.score for hit in hits]).all()


def test_pretrained_encoders(store, fit, shared, tmp_path):
    """Tokens lie on the disk at half precision; sound is that of the recording."""
    text = {"encoder": "bert", "model": {"model": str(write_bert(tmp_path / "bert"))}, "tokens": 30}
    sound = {"audio": "wav2vec2", "wav2vec2": {"model": str(write_wav2vec2(tmp_path / "wav2vec2"))}}
    config = TINY.updated({"retrieval": {"text": text, "audio_weight": 0.4, **sound}})
    artifacts = {**shared, PHRASES: fit(phrase_components(config.retrieval)[0], {})}
    database = PhraseDatabase.load(config, artifacts)
    said = database.entries.texts[database.entries.said[1]]
    expected = sentence_encoder(config.retrieval.text).tokens([said])[0]
    tokens = database.text_tokens(np.array([1]))[0]
    np.testing.assert_allclose(tokens[: len(expected)], expected, atol=5e-3)
    assert tokens.shape == (30, WIDTH)
    assert not tokens[len(expected) :].any()
    clip = clip_of(database, 1)
    stranger = replace(store.speech(clip), clip_id="somebody")
    best = [hit.entry for hit in (database.query(stranger, Window("somebody", 0, 600))[:1])]
    assert [clip_of(database, entry) for entry in best] == [clip]
    assert phrase_components(config.retrieval)[0].config["retrieval"]["text"]["model"].startswith("sha256:")
