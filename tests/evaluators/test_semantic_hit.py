from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.files import read_json
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.evaluators.gesture_classifier import GestureClassifier, discriminant_projection
from gesturebench.evaluators.gesture_features import arm_channels, body_axes, segment
from gesturebench.evaluators.gesture_segments import quiet_intervals
from gesturebench.evaluators.semantic_hit import REPORT, Hits


def scored(evaluator, items):
    for prediction, clip in items:
        evaluator.update(prediction, clip)
    return evaluator.compute()


def frozen(motion: Motion) -> Motion:
    return replace(motion, poses=np.zeros_like(motion.poses))


def test_ground_truth_hits_and_frozen_motion_does_not(make, store):
    clips = [store.clip(clip_id) for clip_id in store.split("test")]
    truth = scored(make.evaluator("semantic_hit"), [(clip.motion, clip) for clip in clips])
    still = scored(make.evaluator("semantic_hit"), [(frozen(clip.motion), clip) for clip in clips])
    assert truth["n"] == still["n"] == 12
    assert truth["semantic_hit"] > 0.9
    assert truth["semantic_hit_discourse"] > 0.9
    assert still["semantic_hit"] <= 1 / 3
    assert truth["chance"] == pytest.approx(1 / 3, abs=0.1)


def test_the_right_gesture_at_another_time_is_no_hit(make, store):
    late = []
    for clip_id in store.split("test"):
        clip = store.clip(clip_id)
        late.append((replace(clip.motion, poses=np.roll(clip.motion.poses, 30, axis=0)), clip))
    assert scored(make.evaluator("semantic_hit"), late)["semantic_hit"] < 0.5


def test_report_names_ceiling_and_false_alarms(make):
    report = read_json(make.artifact("semantic_hit") / REPORT)
    assert report["ceiling"] > 0.9
    assert 0 <= report["false_alarm"] <= 1
    assert report["validation_strokes"] == 6


def test_where_the_body_stands_and_faces_does_not_matter(make, store):
    clip = store.clip(store.split("test")[0])
    joints = store.joints.positions(clip.motion)
    angle = 0.7
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    np.testing.assert_allclose(arm_channels(joints @ turn.T * 1.3 + (1, 2, 3)), arm_channels(joints), atol=1e-9)


def test_body_axes_of_the_rest_pose_are_the_world(store):
    np.testing.assert_allclose(body_axes(store.joints.rest[None])[0], np.eye(3), atol=1e-12)
    assert arm_channels(store.joints.rest[None]).shape == (1, 30)
    assert store.joints.rest.shape == (N_JOINTS, 3)


def test_segment_interpolates_and_holds_the_ends():
    ramp = np.arange(31.0)[:, None]
    np.testing.assert_allclose(segment(ramp, 0.25, 0.75, 3)[:, 0], [7.5, 15, 22.5])
    np.testing.assert_allclose(segment(ramp, -1, 2, 2)[:, 0], [0, 30])
    np.testing.assert_allclose(segment(ramp[:1], 0, 1, 2)[:, 0], [0, 0])


def test_quiet_intervals_avoid_every_gesture(store):
    events = store.truth(store.ids[0])
    drawn = quiet_intervals(events, 8.0, 20, np.random.default_rng(0))
    assert len(drawn) == 20
    for start, end in drawn:
        assert 0 <= start < end <= 8
        assert all(end <= event.stroke_s or start >= event.hold_s for event in events)
    assert quiet_intervals((), 8.0, 5, np.random.default_rng(0)) == []


def test_discriminants_whiten_the_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 200)
    x = rng.normal(size=(600, 5)) @ rng.normal(size=(5, 5)) + rng.normal(size=(3, 5))[labels] * 3
    x -= x.mean(0)
    projection = discriminant_projection(x, labels, shrinkage=0.0)
    assert projection.shape == (5, 2)
    y = x @ projection
    within = y - np.stack([y[labels == c].mean(0) for c in range(3)])[labels]
    np.testing.assert_allclose(within.T @ within / 600, np.eye(2), atol=1e-9)


def test_own_speaker_is_preferred_and_the_file_round_trips(tmp_path):
    segments = np.array([[0.0, 0.0], [0.0, 1.0], [5.0, 0.0], [5.0, 1.0]])
    tags, speakers = ["a", "a", "b", "b"], np.array([1, 2, 1, 2])
    near, far = (GestureClassifier.fit(segments, tags, speakers, shrinkage=0.5, foreign=f) for f in (1.0, 50.0))
    probe = np.array([[2.2, 1.0]])
    assert near.predict(probe, np.array([2])) == ["a"]
    speakers_b = GestureClassifier.fit(segments, tags, np.array([1, 1, 2, 2]), shrinkage=0.5, foreign=50.0)
    assert speakers_b.predict(probe, np.array([2])) == ["b"], "a far neighbour of the same speaker wins"
    far.save(tmp_path / "c.npz")
    loaded = GestureClassifier.load(tmp_path / "c.npz")
    assert loaded.predict(segments, speakers) == far.predict(segments, speakers) == tags


def test_hits_add_up_and_chance_is_the_shuffled_rate():
    true, predicted = list("aabbc"), list("abbbn")
    hits = Hits.of(true[:2], predicted[:2]) + Hits.of(true[2:], predicted[2:])
    assert hits.n == 5
    assert hits.rate() == 3 / 5
    assert hits.rate(frozenset("b")) == 1.0
    assert hits.rate(frozenset("z")) is None
    rng = np.random.default_rng(0)
    shuffled = [np.mean(np.array(true) == rng.permutation(predicted)) for _ in range(4000)]
    assert hits.chance == pytest.approx(np.mean(shuffled), abs=0.02)
