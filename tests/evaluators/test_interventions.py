from dataclasses import fields, replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import SAMPLE_RATE, Motion, Word
from gesturebench.common.motion.skeleton import JOINT, N_JOINTS
from gesturebench.evaluators.interventions import (
    GROUND_TRUTH,
    OTHER_SIDE,
    Pool,
    as_long_as,
    backwards,
    frozen,
    interventions,
    late,
    mirrored,
    noisy,
    scaled,
    shifted_speech,
    shuffled,
    slowed,
)


@pytest.fixture
def pool(store):
    return Pool(tuple(store.clip(i) for i in store.ids), {i: n % 2 for n, i in enumerate(store.ids)})


def arrays(motion: Motion):
    return motion.poses, motion.expressions, motion.trans


def same(left: Motion, right: Motion) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays(left), arrays(right)))


def test_every_intervention_gives_a_pair_that_evaluators_accept(pool):
    acts = list(interventions(pool))
    assert acts[0] is GROUND_TRUTH
    assert len({act.name for act in acts}) == len(acts)
    for act in acts:
        for clip in pool.clips[:3]:
            prediction, shown = act.act(clip, pool)
            prediction.checked(act.name)
            assert prediction.n_frames == shown.motion.n_frames == clip.motion.n_frames
            assert prediction.fps == 30
            assert all(array.dtype == np.float32 for array in arrays(prediction))


def test_captured_motion_is_left_as_it_was(pool):
    before = [np.copy(array) for clip in pool.clips for array in (*arrays(clip.motion), clip.speech.audio)]
    for act in interventions(pool):
        act.act(pool.clips[0], pool)
    after = [array for clip in pool.clips for array in (*arrays(clip.motion), clip.speech.audio)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after))


def test_all_but_the_ground_truth_change_something(pool):
    for act in list(interventions(pool))[1:]:
        changed = [act.act(clip, pool) for clip in pool.clips]
        assert any(
            not same(prediction, clip.motion) or shown.speech is not clip.speech
            for (prediction, shown), clip in zip(changed, pool.clips)
        ), act.name


def test_equal_seeds_give_equal_pairs_and_other_seeds_others(pool):
    for family in ("noise", "frames shuffled"):
        act = next(act for act in interventions(pool) if act.family == family)
        first, again = (act.act(pool.clips[0], pool)[0] for _ in range(2))
        other = act.act(pool.clips[0], replace(pool, seed=1))[0]
        assert same(first, again)
        assert not same(first, other)


def test_other_clips_are_real_motion_of_the_same_half_and_all_of_it(pool):
    act = next(act for act in interventions(pool) if act.family == "another clip's motion")
    given = [act.act(clip, pool)[0] for clip in pool.clips]
    sources = [next(c for c in pool.clips if same(c.motion, motion)) for motion in given]
    assert all(pool.half(source) == pool.half(clip) for source, clip in zip(sources, pool.clips))
    assert not any(source is clip for source, clip in zip(sources, pool.clips))
    assert {source.id for source in sources} == {clip.id for clip in pool.clips}


def test_one_speaker_gives_motion_of_one_speaker(pool):
    act = next(act for act in interventions(pool) if act.family == "one speaker only")
    given = [act.act(clip, pool)[0] for clip in pool.clips]
    speakers = {next(c for c in pool.clips if same(c.motion, motion)).speech.speaker for motion in given}
    assert len(speakers) == 1


def test_what_the_clips_do_not_allow_is_left_out(pool):
    families = {act.family for act in interventions(Pool(pool.clips[:1], {}))}
    assert not {"one speaker only", "another clip's motion"} & families


def test_mirror_is_its_own_inverse_and_reflects_every_joint(store, pool):
    motion = replace(pool.clips[0].motion, betas=np.zeros(300, np.float32))
    assert same(mirrored(mirrored(motion)), motion)
    model = replace(store.joints, rest=symmetric(store.joints.rest), directions=np.zeros((N_JOINTS, 3, 400)))
    model = replace(model, hand_mean=np.zeros(90))
    seen = model.positions(motion)[:, OTHER_SIDE] * (-1, 1, 1)
    np.testing.assert_allclose(model.positions(mirrored(motion)), seen, atol=1e-6)


def symmetric(rest: np.ndarray) -> np.ndarray:
    return (rest + rest[OTHER_SIDE] * (-1, 1, 1)) / 2


def test_sides():
    assert OTHER_SIDE[JOINT["left_wrist"]] == JOINT["right_wrist"]
    assert OTHER_SIDE[JOINT["right_thumb3"]] == JOINT["left_thumb3"]
    assert OTHER_SIDE[JOINT["spine1"]] == JOINT["spine1"]


def test_noise_has_its_strength_and_leaves_face_and_place(pool):
    clip = pool.clips[0]
    changed = noisy(0.1, clip.motion, clip, pool)
    assert (changed.poses - clip.motion.poses).std() == pytest.approx(0.1, rel=0.02)
    assert np.array_equal(changed.expressions, clip.motion.expressions)
    assert np.array_equal(changed.trans, clip.motion.trans)


def test_scaling_keeps_the_mean_and_scales_the_rest(pool):
    motion = pool.clips[0].motion
    for before, after in zip(arrays(motion), arrays(scaled(motion, 0.5))):
        np.testing.assert_allclose(after.mean(0), before.mean(0), atol=1e-6)
        np.testing.assert_allclose(after.std(0), 0.5 * before.std(0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(scaled(motion, 1.0).poses, motion.poses, atol=1e-6)


def test_orders_of_frames(pool):
    clip = pool.clips[0]
    motion = clip.motion
    assert same(backwards(backwards(motion)), motion)
    assert len(np.unique(frozen(motion).poses, axis=0)) == 1
    mixed = shuffled(motion, clip, pool)
    assert not same(mixed, motion)
    np.testing.assert_array_equal(np.sort(mixed.poses, 0), np.sort(motion.poses, 0))


def test_slow_motion_passes_the_first_half_at_even_frames(pool):
    motion = pool.clips[0].motion
    slow = slowed(motion)
    np.testing.assert_allclose(slow.poses[::2], motion.poses[:120], atol=1e-5)
    np.testing.assert_allclose(slow.trans[1], (motion.trans[0] + motion.trans[1]) / 2, atol=1e-6)


def test_late_motion_waits_in_its_first_frame(pool):
    motion = pool.clips[0].motion
    moved = late(motion, 0.1)
    np.testing.assert_array_equal(moved.poses[3:], motion.poses[:-3])
    np.testing.assert_array_equal(moved.poses[:3], np.repeat(motion.poses[:1], 3, 0))
    np.testing.assert_array_equal(late(motion, -0.1).poses[:-3], motion.poses[3:])


@pytest.mark.parametrize("n", [1, 100, 240, 1000])
def test_lengths_are_met_without_jumps(pool, n):
    motion = pool.clips[0].motion
    long = as_long_as(motion, n)
    assert long.n_frames == n
    largest = np.abs(np.diff(motion.poses, axis=0)).max()
    assert np.abs(np.diff(long.poses, axis=0)).max(initial=0) <= largest


@pytest.mark.parametrize("seconds", [0.25, -0.25])
def test_speech_moves_as_a_whole_in_a_recording_of_the_same_length(pool, seconds):
    speech = pool.clips[0].speech
    moved = shifted_speech(speech, seconds)
    n = round(abs(seconds) * SAMPLE_RATE)
    assert len(moved.audio) == len(speech.audio)
    ours, theirs = (moved.audio[n:], speech.audio[:-n]) if seconds > 0 else (moved.audio[:-n], speech.audio[n:])
    np.testing.assert_array_equal(ours, theirs)
    inner = [(w.start_s, w.end_s) for w in speech.words if w.start_s > 1 and w.end_s < speech.duration_s - 1]
    after = [(w.start_s, w.end_s) for w in moved.words]
    assert inner
    for start, end in inner:
        assert min(abs(start + seconds - s) + abs(end + seconds - e) for s, e in after) < 1e-9


def test_annotations_stay_inside_the_recording_and_what_leaves_it_is_dropped(pool):
    speech = replace(
        pool.clips[0].speech, words=(Word("first", 0.0, 0.1), Word("second", 0.1, 0.4)), tail=np.ones(800, np.float32)
    )
    early = shifted_speech(speech, -0.2)
    assert early.words == (Word("second", 0.0, pytest.approx(0.2)),)
    np.testing.assert_array_equal(early.audio[-3200:-2400], speech.tail)  # recorded after the end
    assert not early.audio[-2400:].any()
    assert not len(early.tail)
    times = [getattr(r, f.name) for r in early.phones for f in fields(r) if f.name.endswith("_s")]
    assert all(0 <= time <= speech.duration_s for time in times)
