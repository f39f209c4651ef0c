from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import JOINT_NAMES
from gesturebench.evaluators.control_frames import control_distance, control_indices, free_frames
from gesturebench.evaluators.mpjpe import JOINT_SETS, MPJPE, mpjpe, retrieval_mask, root_aligned
from gesturebench.evaluators.pairs import joint_positions, target_positions

CONTROL = {"joints": "body_hands", "control_frames": 2, "seed_frames": 4, "average": "clips"}


def measured(make, store, mask=None, **settings):
    clip, prediction = store.clip(store.ids[0]), store.motion(store.ids[1])
    return make.evaluator("mpjpe", **settings).update(prediction, clip, mask)


def distances(store):
    """(T, 55) mm between the pair that `measured` scores."""
    clip, prediction = store.clip(store.ids[0]), store.motion(store.ids[1])
    a, b = joint_positions(store.joints, prediction, clip), target_positions(store.joints, clip)
    return 1000 * torch.nn.PairwiseDistance(eps=0)(*(torch.tensor(x).reshape(-1, 3) for x in (a, b))).reshape(-1, 55)


def test_mean_distance_in_millimetres(make, store):
    assert measured(make, store)["mpjpe"] == pytest.approx(float(distances(store).mean()), rel=1e-9)


def test_joint_sets():
    sizes = {"all": 55, "body_hands": 52, "body": 22, "upper_hands": 43, "upper": 13}
    assert {name: len(set(joints)) for name, joints in JOINT_SETS.items()} == sizes
    names = {name: {JOINT_NAMES[j] for j in joints} for name, joints in JOINT_SETS.items()}
    assert names["all"] - names["body_hands"] == {"jaw", "left_eye", "right_eye"}
    assert names["body"] & {"jaw", "left_thumb1"} == set()


@pytest.mark.parametrize("joints", sorted(JOINT_SETS))
def test_only_the_chosen_joints_count(make, store, joints):
    expected = distances(store)[:, list(JOINT_SETS[joints])].mean()
    assert measured(make, store, joints=joints)["mpjpe"] == pytest.approx(float(expected), rel=1e-9)


@given(st.integers(0, 1000), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_alignments_forgive_what_they_say(seed, shift):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(6, 10, 3)), rng.normal(size=(6, 10, 3))
    walk = rng.normal(size=(6, 1, 3))

    def error(prediction, alignment):
        return mpjpe(root_aligned(prediction, alignment), root_aligned(y, alignment))

    assert error(x + walk, "per_frame") == pytest.approx(error(x, "per_frame"))
    assert error(x + shift, "first_frame") == pytest.approx(error(x, "first_frame"))
    assert error(x + walk, "first_frame") != pytest.approx(error(x, "first_frame"))
    assert error(x, "none") == mpjpe(x, y)


def test_pa_forgives_turning_and_size_but_not_pose(make, store):
    clip = store.clip(store.ids[0])
    turned = np.array(clip.motion.poses)
    turned[:, :3] = [0.3, 1.0, -0.2]
    facing = np.array(clip.motion.poses)
    facing[:, :3] = [0.1, 0.0, 0.0]
    values = make.evaluator("mpjpe").update(
        replace(clip.motion, poses=turned), replace(clip, motion=replace(clip.motion, poses=facing))
    )
    assert values["pa_mpjpe"] == pytest.approx(0, abs=1e-6)
    assert values["mpjpe"] > 50
    other = measured(make, store)
    assert 0 < other["pa_mpjpe"] < other["mpjpe"]


def test_root_rotation_can_be_left_out(make, store):
    clip = store.clip(store.ids[0])
    poses = np.array(clip.motion.poses)
    poses[:, 1] += 1
    turned = replace(clip.motion, poses=poses)
    assert make.evaluator("mpjpe", orientation="zeroed").update(turned, clip)["mpjpe"] == pytest.approx(0, abs=1e-9)
    assert make.evaluator("mpjpe").update(turned, clip)["mpjpe"] > 50


@pytest.mark.parametrize("shape", [(240,), (240, 55)])
def test_masks_choose_frames_or_joints(make, store, shape):
    mask = np.random.default_rng(0).uniform(size=shape) < 0.4
    seen = distances(store)[torch.from_numpy(mask)]
    values = measured(make, store, mask)
    assert values["mpjpe"] == pytest.approx(float(seen.mean()), rel=1e-9)
    hidden_counts = measured(make, store, mask, divisor="all")
    assert hidden_counts["mpjpe"] == pytest.approx(float(seen.sum()) / (240 * 55), rel=1e-9)


def test_numbers_masks_are_taken_as_zero_or_not(make, store):
    mask = np.random.default_rng(0).uniform(size=240) < 0.4
    assert measured(make, store, mask) == measured(make, store, mask.astype(np.float32))


def test_a_mask_of_another_shape_names_the_clip(make, store):
    with pytest.raises(InputError, match=rf"mask of {store.ids[0]} has shape \(239,\)"):
        measured(make, store, np.ones(239))


def test_a_wholly_hidden_clip_is_skipped(make, store):
    evaluator = make.evaluator("mpjpe")
    clip = store.clip(store.ids[0])
    assert evaluator.update(clip.motion, clip, np.zeros(240)) == {}
    with pytest.raises(InputError, match="1 clips have none"):
        evaluator.compute()


def test_two_visible_joints_have_no_alignment(make, store):
    mask = np.zeros((240, 55))
    mask[:, [16, 17]] = 1
    values = measured(make, store, mask)
    assert values["mpjpe"] > 0
    assert "pa_mpjpe" not in values


def test_averages_over_frames_or_clips(make, store):
    values, numbers = [], {}
    for average in ("frames", "clips"):
        evaluator = make.evaluator("mpjpe", average=average)
        for clip_id, n in zip(store.ids[:2], (240, 60)):
            clip = store.clip(clip_id).cut(0, n)
            values.append(evaluator.update(store.motion(store.ids[4]).cut(0, n), clip)["mpjpe"])
        numbers[average] = evaluator.compute()["mpjpe"]
    assert numbers["frames"] == pytest.approx(np.average(values[:2], weights=[240, 60]))
    assert numbers["clips"] == pytest.approx(np.mean(values[:2]))


def test_retrieval_mask_is_upper_body_and_hands_where_given():
    poses = np.zeros((2, 165))
    poses[0, [3 * 16 + 1, 3 * 1, 3 * 30]] = 0.1
    mask = retrieval_mask(poses)
    assert np.argwhere(mask).tolist() == [[0, 16], [0, 30]]


def test_control_frames_lie_in_the_middle_of_equal_parts():
    assert control_indices(64, 1).tolist() == [32]
    assert control_indices(64, 2).tolist() == [16, 48]
    assert control_indices(64, 0).tolist() == []
    free = free_frames(64, control_indices(64, 2), 4)
    assert (~free).nonzero()[0].tolist() == [0, 1, 2, 3, 16, 48]
    assert control_distance(64, control_indices(64, 2))[[0, 16, 32, 33, 63]].tolist() == [16, 0, 16, 15, 15]


def test_given_frames_are_not_scored(make, store):
    """Control frames and seed are made perfect: the score must not notice."""
    clip, prediction = store.clip(store.ids[0]).cut(0, 64), store.motion(store.ids[1]).cut(0, 64)
    helped = np.array(prediction.poses)
    given = [0, 1, 2, 3, 16, 48]
    helped[given] = clip.motion.poses[given]
    before, after = (
        make.evaluator("mpjpe", **CONTROL).update(motion, clip)
        for motion in (prediction, replace(prediction, poses=helped))
    )
    for key in ("mpjpe", "pa_mpjpe"):
        assert after[key] == pytest.approx(before[key], rel=1e-12)
    assert after["mpjpe_at_control"] == pytest.approx(0, abs=1e-6) != before["mpjpe_at_control"]


def test_distance_bins_make_up_the_whole(make, store):
    clip, prediction = store.clip(store.ids[0]).cut(0, 64), store.motion(store.ids[1]).cut(0, 64)
    settings_ = {**CONTROL, "average": "frames"}
    values = make.evaluator("mpjpe", **settings_).update(prediction, clip)
    bins = ("mpjpe_1_to_5_frames", "mpjpe_6_to_15_frames", "mpjpe_beyond_15_frames")
    weights = [values[f"{name}_n"] for name in bins]
    assert sum(weights) == values["mpjpe_n"] == 52 * 58
    assert np.average([values[name] for name in bins], weights=weights) == pytest.approx(values["mpjpe"])


def test_control_frames_may_lie_anywhere(make, store):
    """The same numbers as for even spacing where the frames are those, others where they are not."""
    clip, prediction = store.clip(store.ids[0]).cut(0, 64), store.motion(store.ids[1]).cut(0, 64)
    even, odd = np.zeros(64, bool), np.zeros(64, bool)
    even[[16, 48]], odd[[5, 60]] = True, True
    plain = make.evaluator("mpjpe", **CONTROL).update(prediction, clip)
    assert make.evaluator("mpjpe", **CONTROL).update(prediction, clip, given=even) == plain
    helped = np.array(prediction.poses)
    helped[odd] = clip.motion.poses[odd]
    moved = make.evaluator("mpjpe", **CONTROL).update(replace(prediction, poses=helped), clip, given=odd)
    for key in ("mpjpe_at_control", "pa_mpjpe_at_control"):
        assert moved[key] == pytest.approx(0, abs=1e-6)
    assert moved["mpjpe"] != plain["mpjpe"]


def test_the_frames_that_were_given_can_be_what_is_scored(make, store):
    clip, prediction = store.clip(store.ids[0]).cut(0, 64), store.motion(store.ids[1]).cut(0, 64)
    free = make.evaluator("mpjpe", **CONTROL).update(prediction, clip)
    met = make.evaluator("mpjpe", **CONTROL, scored="control").update(prediction, clip)
    for key in ("mpjpe", "pa_mpjpe"):
        assert met[key] == pytest.approx(free[f"{key}_at_control"]) != free[key]


def test_other_joints_are_measured_beside(make, store):
    clip, prediction = store.clip(store.ids[0]).cut(0, 64), store.motion(store.ids[1]).cut(0, 64)
    both = make.evaluator("mpjpe", **CONTROL, also="body").update(prediction, clip)
    body = make.evaluator("mpjpe", **{**CONTROL, "joints": "body"}).update(prediction, clip)
    assert both == make.evaluator("mpjpe", **CONTROL).update(prediction, clip) | {
        f"{key.removesuffix('_n')}_body{'_n' if key.endswith('_n') else ''}": value for key, value in body.items()
    }


def test_settings_that_came_later_leave_older_scores_their_identity():
    plain = MPJPE.score_sections(MPJPE.Config())
    assert plain.keys() == MPJPE.Config.model_fields.keys() - {"scored", "also"}
    other = MPJPE.score_sections(MPJPE.Config(scored="control", also="body"))
    assert (other["scored"], other["also"]) == ("control", "body")
