import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.corpus.clip import Speech, Word
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.evaluators.interventions import late, scaled, shifted_speech
from gesturebench.evaluators.pairs import joint_positions
from gesturebench.evaluators.stress_beats import (
    LAGS_S,
    WRISTS,
    LagCurve,
    StressBeats,
    StressBeatsConfig,
    accents,
    answers,
    reference_times,
    stress_times,
    word_times,
)

times = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=20).map(np.array)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Six clips of two speakers of the stand-in corpus, 6 sentences each: folder and store."""
    folder, out = tmp_path_factory.mktemp("standin"), tmp_path_factory.mktemp("store") / "store"
    generate_corpus(StandinPreset(speakers=2, clips=3, sentences=6, test_share=0.34), folder, workers=1)
    build_store(folder, out)
    return folder, ClipStore.open(out)


def scored(store, change=lambda motion, clip: (motion, clip), **config):
    evaluator = StressBeats(StressBeatsConfig(**config), store)
    for clip_id in store.ids:
        clip = store.clip(clip_id)
        evaluator.update(*change(clip.motion, clip))
    return evaluator.compute()


def test_captured_motion_accents_its_stresses_and_peaks_at_no_lag(corpus):
    numbers = scored(corpus[1])
    assert numbers["best_lag_ms"] == 0
    assert numbers["stress_contrast"] > 0.1
    assert numbers["sources"] == {"stress": 6}


@pytest.mark.parametrize("shift_ms", [-250, -150, 150, 250])
def test_shifts_of_speech_cost_the_contrast(corpus, shift_ms):
    shifted = scored(corpus[1], lambda m, clip: (m, replace(clip, speech=shifted_speech(clip.speech, shift_ms / 1000))))
    assert shifted["stress_contrast"] < 0.05
    assert shifted["best_lag_ms"] == pytest.approx(-shift_ms, abs=30), "the motion now comes early"


def test_shifts_of_motion_are_found_again(corpus):
    for frames in (-6, 6):
        numbers = scored(corpus[1], lambda motion, clip, n=frames: (late(motion, n / 30), clip))
        assert numbers["best_lag_ms"] == pytest.approx(1000 * frames / 30, abs=13)


def test_planned_beats_of_the_corpus_are_accents(corpus):
    """What the score asks of stresses holds far better of the beats that were really made."""
    folder, store = corpus
    curve = LagCurve()
    for clip_id in store.ids:
        beats = json.loads((Beat2Folder(folder).root / "truth" / f"{clip_id}.json").read_text())["beats"]
        clip = store.clip(clip_id)
        wrists = joint_positions(store.joints, clip.motion, clip).reshape(-1, N_JOINTS, 3)[:, WRISTS]
        planned = np.array([beat["time_s"] for beat in beats])
        curve += LagCurve.of(planned, accents(wrists, StressBeatsConfig()), 0.06)
    assert curve.best_lag_ms == 0
    assert curve.score > 0.7 > 0.45 > curve.control


def test_size_of_the_motion_does_not_matter_but_noise_does(corpus):
    whole = scored(corpus[1])
    small = scored(corpus[1], lambda motion, clip: (scaled(motion, 0.7), clip))
    assert small["stress_contrast"] == pytest.approx(whole["stress_contrast"], abs=0.05)
    rng = np.random.default_rng(0)
    noisy = scored(
        corpus[1],
        lambda m, clip: (replace(m, poses=(m.poses + rng.normal(0, 0.1, m.poses.shape)).astype(np.float32)), clip),
    )
    assert noisy["stress_beats"] > 0.4, "noise has an accent everywhere"
    assert abs(noisy["stress_contrast"]) < 0.06, "and therefore at wrong times too"


def test_frozen_motion_scores_nothing_and_has_no_lag(make, store):
    evaluator = make.evaluator("stress_beats")
    clip = store.clip(store.split("test")[0])
    still = replace(clip.motion, poses=np.repeat(clip.motion.poses[:1], clip.motion.n_frames, 0))
    values = evaluator.update(still, clip)
    assert values["stress_beats"] == values["stress_contrast"] == 0
    assert evaluator.compute()["best_lag_ms"] is None


@given(times, times, st.floats(-5, 5))
@settings(max_examples=50, deadline=None)
def test_only_differences_of_time_matter(asked, made, shift):
    left, right = answers(asked + shift, [made + shift], 0.06), answers(asked, [made], 0.06)
    np.testing.assert_allclose(left, right, atol=1e-9)


@given(times, times, times)
@settings(max_examples=50, deadline=None)
def test_either_hand_answers(asked, left, right):
    both = answers(asked, [left, right], 0.06)
    alone = np.maximum(answers(asked, [left], 0.06), answers(asked, [right], 0.06))
    np.testing.assert_allclose(both, alone, atol=1e-12)


def test_accents_are_where_a_stroke_turns():
    """A hand that goes down and up again, 0.2 s each way with constant force, is turned hardest at the lowest point."""
    t = np.arange(90) / 30
    height = -0.1 * np.exp(-(((t - 1.5) / 0.12) ** 2))
    wrists = np.zeros((90, 2, 3))
    wrists[:, 0, 1] = height
    turned, still = accents(wrists, StressBeatsConfig())
    assert 1.5 in turned.round(6)
    assert not len(still)
    rests, _ = accents(wrists, StressBeatsConfig(landmark="rest", order=2))
    assert 1.5 in rests.round(6)


def test_lag_curve_of_accents_that_come_late():
    asked = np.arange(1.0, 9.0)
    curve = LagCurve.of(asked, [asked + 0.1], 0.06)
    assert curve.best_lag_ms == 100
    assert curve.recall[np.isclose(LAGS_S, 0.1)] == pytest.approx(1.0)
    assert curve.score == pytest.approx(np.exp(-(0.1**2) / (2 * 0.06**2)))


def test_stress_is_read_from_the_phones_else_words_count():
    phones = (Word("HH", 0.5, 0.6), Word("AA1", 0.6, 0.8), Word("ER0", 0.8, 0.9), Word("IY2", 1.0, 1.1))
    words = (Word("harbour", 0.5, 0.9),)
    assert stress_times(phones).tolist() == [0.7]
    ipa = (Word("h", 0.5, 0.6), Word("ɑː", 0.6, 0.8))
    for given_phones, source, expected in ((phones, "stress", 0.7), (ipa, "words", 0.7), ((), "words", 0.7)):
        found, kind = reference_times(Speech("a", np.zeros(0), 1, words=words, phones=given_phones), "auto")
        assert (found.tolist(), kind) == ([expected], source)


def test_without_marked_stress_the_longer_words_count(corpus):
    words = tuple(Word(str(n), float(n), n + length) for n, length in enumerate((0.1, 0.5, 0.3, 0.9)))
    assert word_times(words).tolist() == [1.25, 3.45]
    assert not len(word_times(()))
    by_words = scored(corpus[1], source="words")
    assert by_words["sources"] == {"words": 6}
    assert 0 < by_words["stress_contrast"] < scored(corpus[1])["stress_contrast"]


def test_clips_without_words_are_skipped_and_counted(make, store):
    clip = store.clip(store.split("test")[0])
    silent = replace(clip, speech=replace(clip.speech, words=(), phones=()))
    evaluator = make.evaluator("stress_beats")
    assert evaluator.update(clip.motion, silent) == {}
    with pytest.raises(InputError, match=r"stress_beats of no clips \(1 skipped\); .* add TextGrids"):
        evaluator.compute()
