"""Retrieved motion as the generation: it is the training motion, at the place of the phrase, without jumps."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Word
from gesturebench.methods.remodiffuse.shown import FADE, faded, swung

SHOWN = {"retrieval": {"shown": True}}


def test_entries_swing_and_walk_back():
    entry = np.zeros((4, 337), np.float32)
    entry[:, 0], entry[:, 330] = np.arange(4), 1.0
    rows = swung(entry, np.arange(-2, 9))
    assert rows[:, 0].tolist() == [2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert rows[:, 330].tolist() == [-1, -1, 1, 1, 1, -1, -1, -1, 1, 1, 1]
    assert swung(entry[:1], np.arange(3))[:, 0].tolist() == [0, 0, 0]


def test_fading_keeps_the_length_and_mixes_the_seam():
    pieces = [np.full((n + FADE, 1), value, np.float32) for n, value in ((5, 0.0), (1, 4.0), (6, 8.0))]
    whole = faded(pieces, FADE)
    assert len(whole) == 5 + 1 + 6 + FADE
    assert whole[0] == 0
    assert whole[-1] == 8
    assert (np.diff(whole[:, 0]) >= 0).all()
    assert np.diff(whole[:, 0]).max() <= 4


def test_the_own_words_bring_the_own_motion(store, small):
    """A stranger who says what is in the database, alone, is shown moving as the speaker of the entry did."""
    method = small.load("remodiffuse", **SHOWN)
    clip = store.split("train")[0]
    speech = replace(store.speech(clip), clip_id="somebody")
    shown = method.generate([speech], seed=0)[0]
    phrase = method._generator._database.asked_by(speech).phrases[0]
    first = int(np.ceil(phrase.start_s * 30 / 2)) * 2
    last = min(int(phrase.end_s * 30), first + 90)
    true = store.motion(clip).poses[first:last:2]
    np.testing.assert_allclose(shown.poses[first:last:2], true, atol=2e-3)


@pytest.mark.parametrize("words", [(), (Word("harbour", 0.5, 1.0),)])
def test_silence_and_half_a_second(small, silent_speech, words):
    speech = replace(silent_speech, words=words)
    short = replace(speech, audio=speech.audio[:8000], words=())
    motions = small.load("remodiffuse", **SHOWN).generate([speech, short], seed=0)
    assert [motion.n_frames for motion in motions] == [90, 15]
    for motion in motions:
        motion.checked("shown")
    assert np.ptp(motions[1].poses, axis=0).max() < 1e-4, "the mean pose stands still"


def test_lambda_changes_what_is_shown(store, small, clips):
    speeches = [store.speech(clip) for clip in store.split("test")]
    light, heavy = (
        small.load("remodiffuse", retrieval={"shown": True, "length_weight": weight}).generate(speeches, seed=0)
        for weight in (0.0, 50.0)
    )
    assert any(not np.array_equal(a.poses, b.poses) for a, b in zip(light, heavy, strict=True))
