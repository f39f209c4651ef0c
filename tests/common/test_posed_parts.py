"""Joints, vertices and faces in torch against the slower ways to the same points."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.codecs.face_squares import FaceSquares
from gesturebench.common.codecs.posed_body import FaceDifferences, PosedVertices, moved_vertices
from gesturebench.common.codecs.posed_joints import PosedJoints
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.body import Body
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.rotations import axis_angle_to_matrix
from gesturebench.common.motion.skeleton import PART_JOINTS, channel_mask
from tests.common.bodies import dense_body, plain_vertices, written
from tests.common.conftest import smooth_motion

B, T = 2, 5


@pytest.fixture(scope="module")
def arrays():
    return dense_body()


@pytest.fixture(scope="module")
def sparse():
    """A body whose vertices hang on one joint each, with no correctives but those of three joints."""
    body = dense_body(n_vertices=55, seed=3)
    correctives = np.zeros_like(body["posedirs"])
    for joint in (16, 22, 40):
        correctives[joint - 2, :, 9 * (joint - 1) : 9 * joint] = 0.01
    return body | {"weights": np.eye(55), "J_regressor": np.eye(55), "posedirs": correctives}


def motions(seed: int) -> list[Motion]:
    """One per window, all joints moving, each with its own shape."""
    return [smooth_motion(T, 10 * seed + row) for row in range(B)]


def of_part(motion: Motion, part: str) -> Motion:
    """Nothing but the part turns; of all but the face expressions rest."""
    expressions = motion.expressions if part == "face" else np.zeros_like(motion.expressions)
    poses = np.where(channel_mask(PART_JOINTS[part]), motion.poses, 0).astype(np.float32)
    return replace(motion, poses=poses, expressions=expressions, trans=np.zeros_like(motion.trans))


def turned(rows: list[Motion], part: str) -> torch.Tensor:
    poses = torch.from_numpy(np.stack([motion.poses for motion in rows])).unflatten(-1, (55, 3))
    return axis_angle_to_matrix(poses[:, :, list(PART_JOINTS[part])])


def stacked(rows: list[Motion], name: str) -> torch.Tensor:
    return torch.from_numpy(np.stack([getattr(motion, name) for motion in rows]))


@pytest.mark.parametrize("part", ["upper", "hands", "lower"])
def test_joints_move_as_those_of_the_body(arrays, part):
    """From one pose of the part to another; what it does not move is left out."""
    model = JointModel.from_arrays(arrays)
    body, here, there = PosedJoints(model, part), motions(1), motions(2)
    there = [replace(b, betas=a.betas) for a, b in zip(here, there, strict=True)]
    step = body(turned(here, part), stacked(here, "betas")) - body(turned(there, part), stacked(here, "betas"))
    plain = [model.positions(of_part(a, part)) - model.positions(of_part(b, part)) for a, b in zip(here, there)]
    expected = np.stack(plain)
    np.testing.assert_allclose(step.numpy(), expected[:, :, body.moved], atol=2e-5)
    others = np.delete(expected, body.moved, axis=2)
    assert np.abs(others).max(initial=0) < 1e-9
    assert body.share == len(body.moved) / 55


def test_the_slope_of_joints_is_that_of_differences(arrays):
    body = PosedJoints(JointModel.from_arrays(arrays), "hands").double()
    R = turned(motions(1)[:1], "hands")[:, :1].double().requires_grad_()
    betas = stacked(motions(1)[:1], "betas").double()
    assert torch.autograd.gradcheck(lambda R: body(R, betas).square().sum((-2, -1)), R, atol=1e-6)


@pytest.mark.parametrize("part", ["upper", "hands", "lower", "face"])
@pytest.mark.parametrize("every", [True, False])
def test_vertices_are_those_of_the_textbook(arrays, sparse, tmp_path, part, every):
    for body in (arrays, sparse):
        read = Body.read(written(tmp_path / "body.npz", body))
        vertices, rows = PosedVertices(read, part, every=every), motions(1)
        face = stacked(rows, "expressions") if part == "face" else None
        found = vertices(turned(rows, part), stacked(rows, "betas"), face)
        kept = slice(None) if every else moved_vertices(read, part)
        expected = np.stack([plain_vertices(body, of_part(motion, part))[:, kept] for motion in rows])
        np.testing.assert_allclose(found.detach().numpy(), expected, atol=3e-5)
        assert vertices.share == expected.shape[2] / read.n_vertices


@pytest.mark.parametrize("part", ["upper", "hands", "lower", "face"])
def test_vertices_that_are_left_out_do_not_move(sparse, tmp_path, part):
    read = Body.read(written(tmp_path / "body.npz", sparse))
    moved = moved_vertices(read, part)
    still = np.delete(plain_vertices(sparse, of_part(motions(1)[0], part)), moved, axis=1)
    assert np.ptp(still, axis=0).max(initial=0) < 1e-9
    if part == "hands":
        assert 38 in moved, "joint 40 moves vertex 38 by its pose corrective alone"
        assert len(moved) < 55


def test_faces_differ_as_their_meshes(arrays):
    face, (first, second) = FaceModel.from_arrays(arrays), [motions(1), motions(2)]
    second = [replace(b, betas=a.betas) for a, b in zip(first, second, strict=True)]
    sides = [(turned(rows, "face")[:, :, 0], stacked(rows, "expressions")) for rows in (first, second)]
    found = FaceDifferences(face)(*sides[0], *sides[1], stacked(first, "betas"))
    plain = [next(face.differences(a, b)) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(found.flatten(2).numpy(), np.stack(plain), atol=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_squares_are_those_of_the_differences(arrays, size):
    """Of differences, velocities and accelerations, also of nearly equal faces."""
    face, rows = FaceModel.from_arrays(arrays), motions(1)
    jaw, expressions, betas = turned(rows, "face")[:, :, 0], stacked(rows, "expressions"), stacked(rows, "betas")
    noise = torch.randn(B, T, 103, generator=torch.Generator().manual_seed(0))
    other = axis_angle_to_matrix(size * noise[..., :3]) @ jaw, expressions + size * noise[..., 3:]
    away = FaceDifferences(face)(*other, jaw, expressions, betas).double()
    share = FaceDifferences(face).share
    expected = [share * float(away.diff(n, dim=1).square().mean()) for n in range(3)]
    found = FaceSquares(face)(*other, jaw, expressions, betas)
    assert [float(x) for x in found] == pytest.approx(expected, rel=1e-4)
