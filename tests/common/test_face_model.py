"""Differences of two faces without a mesh, against the meshes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.skeleton import HANDS, JAW, channel_mask
from tests.common.bodies import dense_body, plain_vertices, written
from tests.common.conftest import smooth_motion

HEAD = 15


@pytest.fixture(scope="module")
def dense():
    return dense_body()


@pytest.fixture(scope="module")
def plain():
    return plain_body()


def plain_body() -> dict[str, np.ndarray]:
    """As real bodies are: few vertices move with the face, hands carry none of them."""
    body = dense_body(seed=1)
    weights = np.zeros_like(body["weights"])
    weights[:20, HEAD], weights[20:, HANDS[0]] = 1, 1
    weights[:5, HEAD], weights[:5, JAW[0]] = 0.4, 0.6
    shapedirs, posedirs = body["shapedirs"].copy(), body["posedirs"].copy()
    shapedirs[12:, :, 300:] = 0
    posedirs[12:, :, 9 * 21 : 9 * 22] = 0
    regressor = body["J_regressor"].copy()
    regressor[:, :12] = 0
    regressor[JAW[0], :12] = 0.01
    return body | {"weights": weights, "shapedirs": shapedirs, "posedirs": posedirs, "J_regressor": regressor}


def faces(n: int, seed: int, betas_of: int = 0) -> Motion:
    """Everything moves; only jaw and expression should count."""
    return replace(smooth_motion(n, seed), betas=smooth_motion(1, betas_of).betas)


def only_face(motion: Motion) -> Motion:
    return replace(motion, poses=motion.poses * channel_mask(JAW), trans=0 * motion.trans)


def mesh_difference(body: dict[str, np.ndarray], predicted: Motion, captured: Motion) -> np.ndarray:
    """(T, V, 3) in float64."""
    return plain_vertices(body, only_face(predicted)) - plain_vertices(body, only_face(captured))


def moving(difference: np.ndarray) -> np.ndarray:
    """Sorted absolute differences of all coordinates, frame by frame: the order of vertices is free."""
    return np.sort(np.abs(difference.reshape(len(difference), -1)), axis=1)


@pytest.mark.parametrize("kind", ["dense", "plain"])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_differences_are_those_of_the_meshes(request, kind, chunk):
    body = request.getfixturevalue(kind)
    model, pair = FaceModel.from_arrays(body), (faces(9, 1), faces(9, 2))
    ours = np.concatenate(list(model.differences(*pair, chunk=chunk))).astype(np.float64)
    theirs = mesh_difference(body, *pair)
    missing = model.n_coordinates - ours.shape[1]
    assert missing == (0 if kind == "dense" else 3 * 28)
    padded = np.concatenate((ours, np.zeros((len(ours), missing))), axis=1)
    np.testing.assert_allclose(moving(padded), moving(theirs), atol=1e-7)
    assert np.square(ours).sum() == pytest.approx(np.square(theirs).sum(), rel=1e-6)
    assert np.abs(ours).sum() == pytest.approx(np.abs(theirs).sum(), rel=1e-6)


def test_vertices_keep_their_place_from_frame_to_frame(dense):
    """Velocities are differences of differences."""
    model, pair = FaceModel.from_arrays(dense), (faces(6, 1), faces(6, 2))
    ours = np.concatenate(list(model.differences(*pair, chunk=4)))
    steps = np.diff(mesh_difference(dense, *pair), axis=0)
    np.testing.assert_allclose(moving(np.diff(ours, axis=0)), moving(steps), atol=1e-7)


@given(st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_equal_faces_differ_by_exactly_nothing(seed):
    model, face = FaceModel.from_arrays(plain_body()), faces(3, seed)
    assert not np.concatenate(list(model.differences(face, face))).any()


def test_small_differences_keep_their_digits(dense):
    """A tenth of a micrometre: two meshes in float32 would not see it at all."""
    captured = faces(5, 3)
    predicted = replace(captured, expressions=captured.expressions + np.float32(1e-5))
    pair = [replace(m, expressions=m.expressions.astype(np.float64)) for m in (predicted, captured)]
    ours = np.concatenate(list(FaceModel.from_arrays(dense).differences(*pair))).astype(np.float64)
    theirs = mesh_difference(dense, *pair)
    assert np.abs(theirs).mean() < 1e-6
    assert np.abs(ours).sum() == pytest.approx(np.abs(theirs).sum(), rel=1e-5)


def test_shape_is_the_targets_and_the_body_does_not_count(dense):
    model, (predicted, captured) = FaceModel.from_arrays(dense), (faces(4, 1), faces(4, 2))
    before = np.concatenate(list(model.differences(predicted, captured)))
    other = replace(predicted, betas=-predicted.betas, trans=predicted.trans + 1)
    turned = replace(other, poses=other.poses + ~channel_mask(JAW) * np.float32(0.3))
    np.testing.assert_array_equal(before, np.concatenate(list(model.differences(turned, captured))))
    slimmer = replace(captured, betas=0 * captured.betas)
    assert np.abs(before - np.concatenate(list(model.differences(predicted, slimmer)))).max() > 1e-5


def test_stored_and_loaded(dense, tmp_path):
    model = FaceModel.from_body_model(written(tmp_path / "body.npz", dense))
    model.save(tmp_path / "face.npz")
    loaded, pair = FaceModel.load(tmp_path / "face.npz"), (faces(3, 1), faces(3, 2))
    for a, b in zip(model.differences(*pair), loaded.differences(*pair), strict=True):
        np.testing.assert_array_equal(a, b)
    assert loaded.n_coordinates == 3 * len(dense["v_template"])
