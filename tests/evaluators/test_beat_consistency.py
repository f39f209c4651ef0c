from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import argrelextrema

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.errors import InputError
from gesturebench.evaluators.beat_consistency import (
    READINGS,
    BeatConsistencyConfig,
    beat_consistency,
    inner_audio,
    motion_beats,
    speech_onsets,
)
from gesturebench.evaluators.beats import alignment, local_minima, relative_speed

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
    assert alignment(np.array([]), np.array([1.0]), 0.3) == 0.0


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 9), st.booleans())
@settings(max_examples=200, deadline=None)
def test_minima_are_those_of_scipy(seed, n, order, coarse):
    """Plateaus and repeated values (coarse), short inputs and edges included."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (n, 3)).astype(float) if coarse else rng.normal(size=(n, 3))
    expected = np.zeros_like(values, bool)
    expected[argrelextrema(values, np.less, axis=0, order=order)] = True
    np.testing.assert_array_equal(local_minima(values, order), expected)


@given(st.integers(0, 10_000), st.sampled_from(sorted(READINGS)), st.sampled_from([0, 10, 60]))
@settings(max_examples=40, deadline=None)
def test_score_is_that_of_the_double_loop(seed, variant, mask):
    rng = np.random.default_rng(seed)
    positions = np.cumsum(rng.normal(scale=0.004, size=(200, 165)), 0)
    onsets_s, mean_speed = np.sort(rng.uniform(0, 5, 12)), rng.uniform(0.05, 0.3, 55)
    config = BeatConsistencyConfig(variant=variant, mask=mask)
    assert beat_consistency(positions, onsets_s, mean_speed, config) == pytest.approx(
        by_double_loop(positions, onsets_s, mean_speed, config), abs=1e-12
    )


def by_double_loop(positions, onsets_s, mean_speed, config) -> float:
    """The definition spelt out: every joint, every onset."""
    if config.variant == "legacy_folded":
        positions = np.abs(positions - positions.mean(0))
    mask, scores = config.mask, []
    for joint in (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21):
        velocity = np.gradient(positions[:, 3 * joint : 3 * joint + 3], 1 / 30, axis=0)
        speed = np.linalg.norm(velocity, axis=1) / mean_speed[joint]
        threshold = 0.1 if config.variant == "evaltools" else 0.3
        shift = mask if config.variant == "clean" else 0
        minima = argrelextrema(speed[mask : len(speed) - mask], np.less, order=7)[0]
        beats = [index / 30 for index in minima if speed[index + shift] > threshold]
        terms = [max((np.exp(-((onset - beat) ** 2) / 0.18) for beat in beats), default=0.0) for onset in onsets_s]
        scores.append(sum(terms) / len(onsets_s))
    return sum(scores) / len(scores)


def test_either_side_may_ask(store):
    """One motion beat among many onsets: from its side all is well, from theirs hardly anything is."""
    positions = np.zeros((300, 165))
    # a sweep that is slowest at frame 150, 3 s after the mask
    from_rest = np.arange(300) - 150
    positions[:, 0::3] = (0.005 * from_rest + 1e-7 * from_rest**3)[:, None]
    onsets_s, mean_speed = np.arange(0.0, 6.0, 0.5), np.full(55, 0.1)
    audio, motion = (
        beat_consistency(positions, onsets_s, mean_speed, BeatConsistencyConfig(direction=side))
        for side in ("audio", "motion")
    )
    assert motion == pytest.approx(1.0, abs=1e-6)
    assert audio == pytest.approx(np.exp(-((onsets_s - 3) ** 2) / 0.18).mean(), abs=1e-6)


def test_variants_bring_their_own_mask_and_threshold():
    assert BeatConsistencyConfig(variant="rag").edge == 10
    assert BeatConsistencyConfig(variant="evaltools").least_speed == 0.1
    changed = BeatConsistencyConfig().updated({"variant": "rag", "threshold": 0.5})
    assert (changed.edge, changed.least_speed) == (10, 0.5)
    assert BeatConsistencyConfig(variant="rag", mask=0).edge == 0


def oscillation(n: int, period: int, rest: float) -> np.ndarray:
    """Relative speed (n, 1) with a minimum of height `rest` every `period` frames."""
    return (rest + 1 - np.cos(2 * np.pi * np.arange(n) / period))[:, None]


def test_beats_are_the_minima_after_the_mask():
    config = BeatConsistencyConfig(mask=60)
    beats = motion_beats(oscillation(300, 30, 0.5), config)[:, 0]
    # minima at 90, 120 ... 210 lie inside the slice 60..240 and off its edges
    assert list(np.flatnonzero(beats) + 60) == [90, 120, 150, 180, 210]


def test_threshold_is_read_at_the_minimum():
    speed = oscillation(300, 30, 0.5)
    speed[120] = 0.2
    clean = motion_beats(speed, BeatConsistencyConfig())
    legacy = motion_beats(speed, BeatConsistencyConfig(variant="legacy"))
    assert not clean[60]
    assert legacy[60], "the legacy test looks 60 frames earlier"
    assert clean[120]
    assert not legacy[120], "and drops the beat 60 frames later instead"


def test_speed_is_central_and_relative():
    positions = np.zeros((10, 6))
    positions[:, 0] = np.arange(10) ** 2 / 900
    speed = relative_speed(positions, np.array([0.5, 1.0]))
    np.testing.assert_allclose(speed[1:-1, 0], 2 * np.arange(1, 9) / 30 / 0.5)
    assert not speed[:, 1].any()


def test_slices_of_the_audio():
    audio = np.arange(16000 * 10 + 800)
    ends = {"clean": 9 * 16000, "rag": 9 * 16000, "evaltools": 9 * 16000, "legacy": 9 * 16000 + 800}
    for variant, expected in ends.items():
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


@pytest.mark.parametrize("variant", sorted(READINGS))
def test_body_of_the_prediction_does_not_enter(make, store, variant):
    """Joints come from the target clip's body; the prediction's own shape, face and position are left out."""
    clip = store.clip(store.ids[0])
    other = replace(
        clip.motion, betas=clip.motion.betas + 5, trans=clip.motion.trans + 1, expressions=clip.motion.expressions * 2
    )
    values = [make.evaluator("bc", variant=variant).update(m, clip)["bc"] for m in (clip.motion, other)]
    assert values[0] == values[1]


def test_only_legacy_hears_the_recording_after_the_motion(store):
    """A click within the last mask of the motion counts where the slice is measured from the end of the recording."""
    rng = np.random.default_rng(0)
    audio = (1e-3 * rng.normal(size=10 * SAMPLE_RATE)).astype(np.float32)
    for second in (2.5, 8.5):
        at = int(second * SAMPLE_RATE)
        audio[at : at + 1600] += 0.3 * rng.normal(size=1600).astype(np.float32)
    speech = replace(store.clip(store.ids[0]).speech, audio=audio[: 9 * SAMPLE_RATE], tail=audio[9 * SAMPLE_RATE :])
    heard = {v: speech_onsets(speech, 270, BeatConsistencyConfig(variant=v, mask=30)) for v in READINGS}
    for variant, onsets_s in heard.items():
        late = onsets_s > 7.2
        assert late.any() == variant.startswith("legacy"), variant
        assert np.abs(onsets_s - 1.5).min() < 0.1


def test_without_a_tail_legacy_hears_what_rag_hears(store):
    speech = store.clip(store.ids[0]).speech
    legacy, rag = (speech_onsets(speech, 240, BeatConsistencyConfig(variant=v, mask=10)) for v in ("legacy", "rag"))
    np.testing.assert_array_equal(legacy, rag)


def test_motion_with_no_room_between_the_masks_hears_nothing(store):
    speech = store.clip(store.ids[0]).speech
    assert not len(speech_onsets(speech, 134, BeatConsistencyConfig()))
    assert len(speech_onsets(speech, 135, BeatConsistencyConfig()))


def test_only_the_newer_tools_leave_the_root_out(make, store):
    clip = store.clip(store.ids[0])
    poses = np.array(clip.motion.poses)
    poses[:, 1] += 0.3 * np.sin(np.arange(240) / 4)
    swaying = replace(clip.motion, poses=poses)

    def moved(**settings) -> bool:
        values = [make.evaluator("bc", **settings).update(motion, clip)["bc"] for motion in (clip.motion, swaying)]
        return values[0] != values[1]

    assert moved(variant="clean")
    assert not moved(variant="evaltools")
    assert moved(variant="evaltools", root="kept")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_speed_is_numpys_gradient_to_the_bit(dtype):
    """Ties between neighbouring speeds decide on beats, so the precision of the positions is kept."""
    positions = np.random.default_rng(0).normal(size=(50, 12)).astype(dtype)
    x, y, z = np.moveaxis(np.gradient(positions, 1 / 30, axis=0).reshape(50, 4, 3), -1, 0)
    speed = relative_speed(positions, np.ones(4, dtype))
    assert speed.dtype == dtype
    np.testing.assert_array_equal(speed, np.sqrt(x * x + y * y + z * z))
