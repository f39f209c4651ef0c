"""Face errors: restated on whole arrays, independent of chunks, and blind to all but the face."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.standin.body import standin_body
from gesturebench.common.motion.body import Body
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.skeleton import JAW, channel_mask
from gesturebench.evaluators.face import LVD, FaceErrors, FaceMSE


@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 9), st.integers(0, 5), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_sums_are_the_published_formulas(n, moving, chunk, still, seed):
    rng = np.random.default_rng(seed)
    captured = rng.normal(size=(n, moving + still))
    predicted = captured + np.concatenate((rng.normal(size=(n, moving)), np.zeros((n, still))), axis=1)
    difference = (predicted - captured)[:, :moving]
    pieces = [difference[start : start + chunk] for start in range(0, n, chunk)]
    errors = FaceErrors.of(pieces, moving + still)
    assert errors.face_mse == pytest.approx(np.mean((predicted - captured) ** 2))
    target_steps = np.diff(captured, axis=0)
    legacy = np.mean(np.abs((predicted[1:] - captured[:-1]) - target_steps))
    assert errors.lvd == pytest.approx(legacy)
    velocity = np.abs(np.diff(predicted, axis=0) - target_steps).sum() / (n * (moving + still))
    assert errors.lvd_velocity == pytest.approx(velocity, abs=1e-12)


def test_a_constant_error_has_no_velocity():
    errors = FaceErrors.of([np.full((4, 3), 0.5), np.full((2, 3), 0.5)], 6)
    assert (errors.lvd, errors.lvd_velocity, errors.face_mse) == (0.25, 0, 0.125)


def pair(store):
    first, second = (store.clip(clip_id) for clip_id in store.split("test")[:2])
    return second.motion, first


def test_only_jaw_and_expressions_count(make, store):
    prediction, clip = pair(store)
    elsewhere = ~channel_mask(JAW)
    moved = replace(prediction, poses=prediction.poses + elsewhere * np.float32(0.2), trans=prediction.trans + 1)
    jaw = replace(prediction, poses=prediction.poses + ~elsewhere * np.float32(0.2))
    for name in ("face_mse", "lvd"):
        values = [make.evaluator(name).update(motion, clip) for motion in (prediction, moved, jaw)]
        assert values[0] == values[1]
        assert values[0] != values[2]


def test_the_captured_face_is_perfect(make, store):
    clip = store.clip(store.ids[0])
    assert make.evaluator("face_mse").update(clip.motion, clip) == {"face_mse": 0}
    assert make.evaluator("lvd").update(clip.motion, clip) == {"lvd": 0, "lvd_velocity": 0}


def test_one_frame_has_a_position_error_but_no_lvd(make, store):
    prediction, clip = pair(store)
    short = clip.cut(0, 1)
    mse, lvd = make.evaluator("face_mse"), make.evaluator("lvd")
    assert mse.update(prediction.cut(0, 1), short)["face_mse"] > 0
    assert lvd.update(prediction.cut(0, 1), short) == {}
    lvd.update(prediction, clip)
    assert (lvd.compute()["n"], lvd.compute()["skipped"]) == (1, 1)


def test_errors_are_those_of_the_whole_mesh(tmp_path, store):
    """Against both meshes of the stand-in body in full, in float64."""
    path = standin_body(tmp_path)
    prediction, clip = (item.cut(0, 70) for item in pair(store))
    body, scored = Body.read(path), SimpleNamespace(face=FaceModel.from_body_model(path))
    arrays = ("template", "directions", "correctives", "weights")
    body = replace(body, **{name: getattr(body, name).astype(np.float64) for name in arrays})

    def mesh(motion):
        still = replace(motion, poses=motion.poses * channel_mask(JAW), betas=clip.motion.betas)
        return np.concatenate(list(body.vertices(still, trans=False))).reshape(70, -1)

    difference = mesh(prediction) - mesh(clip.motion)
    values = FaceMSE(FaceMSE.Config(), scored).update(prediction, clip)
    values |= LVD(LVD.Config(), scored).update(prediction, clip)
    steps = np.abs(np.diff(difference, axis=0))
    assert difference.shape[1] == 31425
    assert values["face_mse"] == pytest.approx(np.square(difference).mean(), rel=1e-6)
    assert values["lvd"] == pytest.approx(np.abs(difference[1:]).mean(), rel=1e-6)
    assert values["lvd_velocity"] == pytest.approx(steps.sum() / difference.size, rel=1e-6)
