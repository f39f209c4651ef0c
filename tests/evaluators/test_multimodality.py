import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.evaluators.diversity import average_distance, rooted
from gesturebench.evaluators.pairs import joint_positions


def sampled(make, store, plan, **settings):
    """An evaluator that was given motions by index for clips by index."""
    evaluator = make.evaluator("multimodality", **settings)
    for clip, motions in plan.items():
        for motion in motions:
            evaluator.update(store.motion(store.ids[motion]), store.clip(store.ids[clip]))
    return evaluator


def expected(store, clip, motions):
    positions = [
        rooted(joint_positions(store.joints, store.motion(store.ids[m]), store.clip(store.ids[clip]), shape="zero"),
               "first_frame")
        for m in motions
    ]  # fmt: skip
    return average_distance(np.stack(positions))


def test_mean_over_clips_of_the_mean_over_pairs(make, store):
    plan = {0: (1, 2, 3), 1: (4, 5, 6)}
    numbers = sampled(make, store, plan, samples=3).compute()
    assert numbers["multimodality"] == pytest.approx(np.mean([expected(store, c, m) for c, m in plan.items()]))
    assert (numbers["n"], numbers["incomplete"]) == (2, 0)


def test_samples_may_come_in_any_order_and_on_any_shard(make, store):
    whole = sampled(make, store, {0: (1, 2, 3, 4), 1: (5, 6, 7, 8)}, samples=4).compute()
    left = sampled(make, store, {1: (8,), 0: (3, 1)}, samples=4)
    right = sampled(make, store, {0: (4,), 1: (5, 7, 6)}, samples=4)
    left.merge(right)
    with pytest.raises(InputError, match="has 3 samples"):
        left.compute()
    left.update(store.motion(store.ids[2]), store.clip(store.ids[0]))
    assert left.compute()["multimodality"] == pytest.approx(whole["multimodality"], rel=1e-12)


def test_equal_samples_have_none(make, store):
    assert sampled(make, store, {0: (1, 1, 1)}, samples=3).compute()["multimodality"] == 0


def test_a_missing_sample_is_refused(make, store):
    evaluator = sampled(make, store, {0: (1, 2, 3), 1: (4, 5)}, samples=3)
    with pytest.raises(InputError, match=rf"clip {store.ids[1]} has 2 samples.*expected 3"):
        evaluator.compute()


def test_released_divides_by_all_clips(make, store):
    plan = {0: (1, 2, 3), 1: (4, 5), 2: (6,)}
    numbers = sampled(make, store, plan, samples=3, missing="released").compute()
    whole = expected(store, 0, (1, 2, 3)) + expected(store, 1, (4, 5))
    assert numbers["multimodality"] == pytest.approx(whole / 3)
    assert (numbers["n"], numbers["incomplete"]) == (3, 2)


def test_one_sample_too_many_is_refused(make, store):
    evaluator = sampled(make, store, {0: (1, 2)}, samples=2)
    with pytest.raises(InputError, match=rf"clip {store.ids[0]} has 3 samples; expected 2"):
        evaluator.update(store.motion(store.ids[3]), store.clip(store.ids[0]))
    other = sampled(make, store, {0: (3,)}, samples=2)
    with pytest.raises(InputError, match=rf"clip {store.ids[0]} has 3 samples"):
        other.merge(evaluator)


def test_windows_of_a_clip_are_no_samples_of_each_other(make, store):
    clip, motions = store.clip(store.ids[0]), [store.motion(store.ids[k]) for k in (1, 2)]
    evaluator, shard, values = make.evaluator("multimodality"), make.evaluator("multimodality"), {}
    for number, (start, stop) in enumerate(((0, 90), (90, 180))):
        for motion, one in zip(motions, (evaluator, shard)):
            one.update(motion.cut(start, stop), clip.cut(start, stop), unit=f"{clip.id}/{number}")
        positions = [
            rooted(joint_positions(store.joints, motion.cut(start, stop), clip, shape="zero"), "first_frame")
            for motion in motions
        ]
        values[number] = average_distance(np.stack(positions))
    with pytest.raises(InputError, match=rf"window {clip.id}/0 has 1 samples .2 have too few"):
        evaluator.compute()
    evaluator.merge(shard)
    assert evaluator.compute()["multimodality"] == pytest.approx((values[0] + values[1]) / 2)
    assert values[0] != pytest.approx(values[1], rel=1e-3)


def test_samples_of_other_lengths_are_refused(make, store):
    clip, evaluator = store.clip(store.ids[0]), make.evaluator("multimodality", samples=3)
    evaluator.update(store.motion(store.ids[1]), clip)
    with pytest.raises(InputError, match=rf"samples of {clip.id} have 90 and 240 frames"):
        evaluator.update(store.motion(store.ids[2]).cut(0, 90), clip.cut(0, 90))
