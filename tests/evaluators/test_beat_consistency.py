from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.evaluators.beat_consistency import (
    BeatConsistencyConfig,
    alignment,
    beat_consistency,
    inner_audio,
    motion_beats,
    relative_speed,
)

times = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=30)


@given(times, times)
@settings(max_examples=100, deadline=None)
def test_alignment_finds_the_nearest_beat(onsets, beats):
    onsets, beats = np.array(onsets), np.sort(beats)
    nearest = np.abs(onsets[:, None] - beats).min(1)
    assert alignment(onsets, beats, 0.3) == pytest.approx(np.exp(-(nearest**2) / 0.18).mean(), abs=1e-12)


@given(times, times, st.floats(-5, 5))
@settings(max_examples=50, deadline=None)
def test_alignment_does_not_know_absolute_time(onsets, beats, shift):
    onsets, beats = np.array(onsets), np.sort(beats)
    assert alignment(onsets + shift, beats + shift, 0.3) == pytest.approx(alignment(onsets, beats, 0.3), abs=1e-9)


def test_alignment_of_no_beats_is_zero():
    assert alignment(np.array([1.0]), np.array([]), 0.3) == 0.0


def oscillation(n: int, period: int, rest: float) -> np.ndarray:
    """Relative speed with a minimum of height `rest` every `period` frames."""
    return rest + 1 - np.cos(2 * np.pi * np.arange(n) / period)


def test_beats_are_the_minima_after_the_mask():
    config = BeatConsistencyConfig(mask=60)
    beats = motion_beats(oscillation(300, 30, 0.5), config)
    # minima at 90, 120 ... 210 lie inside the slice 60..240 and off its edges
    np.testing.assert_allclose(beats * 30 + 60, [90, 120, 150, 180, 210])


def test_threshold_is_read_at_the_minimum():
    speed = oscillation(300, 30, 0.5)
    speed[120] = 0.2
    clean = motion_beats(speed, BeatConsistencyConfig())
    legacy = motion_beats(speed, BeatConsistencyConfig(variant="legacy"))
    assert 2.0 not in clean
    assert 2.0 in legacy, "the legacy test looks 60 frames earlier"
    assert 4.0 in clean
    assert 4.0 not in legacy, "and drops the beat 60 frames later instead"


def test_speed_is_central_and_relative():
    positions = np.zeros((10, 6))
    positions[:, 0] = np.arange(10) ** 2 / 900
    speed = relative_speed(positions, np.array([0.5, 1.0]))
    np.testing.assert_allclose(speed[1:-1, 0], 2 * np.arange(1, 9) / 30 / 0.5)
    assert not speed[:, 1].any()


def test_slices_of_the_audio():
    audio = np.arange(16000 * 10 + 800)
    for variant, expected in (("clean", 9 * 16000), ("evaltools", 9 * 16000), ("legacy", 9 * 16000 + 800)):
        inner = inner_audio(audio, 300, BeatConsistencyConfig(variant=variant, mask=30))
        assert inner[0] == 16000
        assert inner[-1] + 1 == expected


def test_noise_scores_higher_than_rest_and_frozen_motion_scores_zero(store):
    clip = store.clip(store.ids[0])
    onsets = np.arange(1, 7, 0.4)
    positions = store.joints.positions(clip.motion, trans=False, expressions=False).reshape(240, 165)
    frozen = np.repeat(positions[:1], 240, 0)
    noisy = positions + np.random.default_rng(0).normal(scale=0.01, size=positions.shape)
    scores = [
        beat_consistency(p, onsets, store.mean_speed, BeatConsistencyConfig(mask=15))
        for p in (frozen, positions, noisy)
    ]
    assert scores[0] == 0.0 < scores[1] < scores[2]


def test_silence_is_skipped_and_counted(make, store):
    clip = store.clip(store.ids[0])
    silent = replace(clip, speech=replace(clip.speech, audio=np.zeros_like(clip.speech.audio)))
    evaluator = make.evaluator("bc")
    assert evaluator.update(clip.motion, silent) == {}
    with pytest.raises(InputError, match="bc of no clips \\(1 skipped\\)"):
        evaluator.compute()
    evaluator.update(clip.motion, clip)
    assert evaluator.compute()["skipped"] == 1


def test_data_set_score_is_weighted_by_frames(make, store):
    long, short = (store.clip(clip_id) for clip_id in store.split("test")[:2])
    short = replace(
        short, motion=short.motion.cut(0, 120), speech=replace(short.speech, audio=short.speech.audio[:64000])
    )
    evaluator = make.evaluator("bc")
    values = [evaluator.update(clip.motion, clip)["bc"] for clip in (long, short)]
    assert evaluator.compute()["bc"] == pytest.approx((values[0] * 210 + values[1] * 90) / 300)


@pytest.mark.parametrize("variant", ["clean", "legacy", "legacy_folded", "evaltools"])
def test_body_of_the_prediction_does_not_enter(make, store, variant):
    """Joints come from the target clip's body; the prediction's own shape, face and position are left out."""
    clip = store.clip(store.ids[0])
    other = replace(
        clip.motion, betas=clip.motion.betas + 5, trans=clip.motion.trans + 1, expressions=clip.motion.expressions * 2
    )
    values = [make.evaluator("bc", variant=variant).update(m, clip)["bc"] for m in (clip.motion, other)]
    assert values[0] == values[1]
