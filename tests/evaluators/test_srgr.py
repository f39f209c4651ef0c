from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import GestureLabel
from gesturebench.common.errors import InputError
from gesturebench.common.features.frames import semantic_scores
from gesturebench.evaluators.srgr import MEAN_SCORE, joint_errors, recall, scores_at

LABELS = (GestureLabel("06_iconic_m", 0.3, 1.1, 0.8, "big"), GestureLabel("02_deictic_l", 1.0, 1.7, 0.4, "you"))


def unlabelled(clip):
    return replace(clip, speech=replace(clip.speech, labels=()))


@given(st.integers(0, 1000), st.floats(0.01, 0.5))
@settings(max_examples=30, deadline=None)
def test_the_sum_of_coordinates_is_stricter_than_the_length(seed, threshold):
    rng = np.random.default_rng(seed)
    predicted, target, semantic = rng.normal(size=(8, 30)), rng.normal(size=(8, 30)), rng.uniform(size=8)
    summed, euclidean = (joint_errors(predicted, target, variant) for variant in ("legacy", "evaltools"))
    assert (summed >= euclidean - 1e-12).all()
    assert (summed <= np.sqrt(3) * euclidean + 1e-12).all()
    assert recall(summed, semantic, threshold) <= recall(euclidean, semantic, threshold)


def test_perfect_motion_scores_the_mean_weight(make, store):
    clip = store.clip(store.ids[0])
    value = make.evaluator("srgr").update(clip.motion, clip)["srgr"]
    assert value == pytest.approx(semantic_scores(clip.speech.labels, 240).mean() / MEAN_SCORE, rel=1e-6)
    assert make.evaluator("srgr", weighted=False).update(clip.motion, clip)["srgr"] == 1


def test_far_joints_score_nothing(make, store):
    clip = store.clip(store.ids[0])
    upside_down = np.array(clip.motion.poses)
    upside_down[:, 0] += np.pi
    value = make.evaluator("srgr", weighted=False).update(replace(clip.motion, poses=upside_down), clip)["srgr"]
    assert value < 0.1


@pytest.mark.parametrize("n", [1, 2, 59, 60])
def test_rag_reads_scores_at_half_the_rate(n):
    coarse = torch.from_numpy(semantic_scores(LABELS, (n + 1) // 2, 15))[None, None]
    expected = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="linear", align_corners=False)
    np.testing.assert_allclose(scores_at(LABELS, n, "rag"), expected[0, 0, :n].numpy(), atol=1e-6)
    np.testing.assert_array_equal(scores_at(LABELS, n, "legacy"), semantic_scores(LABELS, n, 30))


def test_variants_have_their_thresholds(make, store):
    clip, prediction = store.clip(store.ids[0]), store.motion(store.ids[1])
    values = {v: make.evaluator("srgr", variant=v).update(prediction, clip)["srgr"] for v in ("legacy", "evaltools")}
    assert values["legacy"] < values["evaltools"]
    loose = make.evaluator("srgr", variant="legacy", threshold=10.0).update(prediction, clip)["srgr"]
    assert loose == pytest.approx(semantic_scores(clip.speech.labels, 240).mean() / MEAN_SCORE, rel=1e-6)


def test_unlabelled_clips_count_with_score_zero(make, store):
    evaluator, clips = make.evaluator("srgr"), [store.clip(i) for i in store.ids[:2]]
    first = evaluator.update(clips[0].motion, clips[0])["srgr"]
    assert evaluator.update(clips[1].motion, unlabelled(clips[1])) == {"srgr": 0.0}
    numbers = evaluator.compute()
    assert numbers["srgr"] == pytest.approx(first / 2)
    assert (numbers["n"], numbers["unlabelled"]) == (2, 1)


def test_no_label_anywhere_is_an_input_error(make, store):
    clip = unlabelled(store.clip(store.ids[0]))
    evaluator = make.evaluator("srgr")
    evaluator.update(clip.motion, clip)
    with pytest.raises(InputError, match="no gesture label in 1 clips"):
        evaluator.compute()
    unweighted = make.evaluator("srgr", weighted=False)
    unweighted.update(clip.motion, clip)
    assert unweighted.compute()["srgr"] == 1
