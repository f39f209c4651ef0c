"""Terms of the priors' losses, one by one, on motion whose answer is known."""

import numpy as np
import pytest
import torch

from gesturebench.common.codecs import prior_losses
from gesturebench.common.codecs.face_squares import FaceSquares
from gesturebench.common.codecs.posed_joints import PosedJoints
from gesturebench.common.codecs.prior_fitting import part_terms
from gesturebench.common.codecs.prior_points import FacePoints, LowerPoints, TurningPoints, global_points, paired
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.rotations import axis_angle_to_6d, axis_angle_to_matrix
from gesturebench.common.motion.skeleton import FEET, PART_JOINTS
from gesturebench.common.motion.translation import central_velocity, from_velocity_channels
from tests.common.bodies import dense_body
from tests.common.conftest import smooth_motion

FLOOR = float(np.arccos(1 - 1e-6))
"""The angle between equal rotations, kept away from where the slope is infinite."""


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def features(part: str, seed: int = 0, frames: int = 8) -> torch.Tensor:
    x = noise(2, frames, PART_FEATURES[part], seed=seed)
    joints = len(PART_JOINTS[part])
    x[..., : 6 * joints] = axis_angle_to_6d(0.5 * x[..., : 3 * joints].unflatten(-1, (joints, 3))).flatten(-2)
    return x


@pytest.fixture(scope="module")
def body():
    return dense_body()


def test_the_angle_of_rotations_is_the_angle_between_them():
    axis = torch.nn.functional.normalize(noise(7, 3), dim=-1)
    angle = torch.linspace(0.1, 3.0, 7)
    base = axis_angle_to_matrix(noise(7, 3, seed=1))
    turned = base @ axis_angle_to_matrix(angle[:, None] * axis)
    torch.testing.assert_close(prior_losses.geodesic(turned, base), angle, atol=2e-3, rtol=0)
    assert prior_losses.geodesic(base, base).tolist() == pytest.approx([FLOOR] * 7, rel=0.02)


@pytest.mark.parametrize("part", ["upper", "hands", "face", "lower"])
def test_the_truth_costs_nothing_but_the_floor(part):
    x = features(part)
    terms = part_terms(part, x, x)
    assert float(terms.pop("rotation")) == pytest.approx(FLOOR, rel=0.05)
    assert {name: float(term) for name, term in terms.items()} == dict.fromkeys(terms, 0.0)


def test_velocities_of_the_face_are_squared_and_those_of_the_body_are_not():
    """A steady drift of one channel: its velocity is off by 0.1 in one of 100, its acceleration by nothing."""
    x = features("face")
    y = x.clone()
    y[..., 50] += 0.1 * torch.arange(8)
    terms = part_terms("face", y, x)
    assert float(terms["expression_velocity"]) == pytest.approx(0.1**2 / 100, rel=1e-3)
    assert float(terms["expression_acceleration"]) < 1e-10
    points = prior_losses.point_terms(torch.arange(8.0)[None, :, None].expand(2, 8, 3) * 0.1)
    assert float(points["points_velocity"]) == pytest.approx(0.1)
    assert float(points["points_acceleration"]) < 1e-6


def test_nothing_is_asked_of_the_lower_bodys_translation():
    x, y = features("lower"), features("lower", 1)
    y.requires_grad_()
    prior_losses.total(part_terms("lower", y, x)).backward()
    assert y.grad[..., 54:57].abs().max() == 0
    assert (y.grad[..., 57:61] != 0).all()


def test_points_left_out_count_in_the_mean():
    away = noise(2, 8, 6, 3)
    whole = torch.cat((away, torch.zeros(2, 8, 4, 3)), 2)
    few, all_of_them = prior_losses.point_terms(away, 0.6), prior_losses.point_terms(whole)
    for name in prior_losses.POINT_TERMS:
        assert float(few[name]) == pytest.approx(float(all_of_them[name]), rel=1e-5)


def test_released_velocities_compare_neighbours_in_the_mesh():
    """A body that is off by a constant does not err in velocity; over vertices a body that moves as one does not."""
    constant = noise(1, 1, 6, 3).expand(2, 8, 6, 3)
    as_one = noise(2, 8, 1, 3).expand(2, 8, 6, 3)
    for away, axis in ((constant, 1), (as_one, 2)):
        assert float(prior_losses.point_terms(away, axis=axis)["points_velocity"]) < 1e-7
        assert float(prior_losses.point_terms(away, axis=3 - axis)["points_velocity"]) > 0.1


def test_only_feet_said_to_stand_may_not_slide():
    feet = torch.zeros(1, 3, 2, 3)
    feet[0, 1:, :, 0] = 0.3  # both feet jump by 0.3 m after the first frame
    contact = torch.tensor([[[0.96, 0.95], [0.96, 0.0], [0.0, 0.0]]])
    expected = 20 * 0.3 / (3 * 2 * 3)  # one of 18 coordinates, the last frame standing
    assert float(prior_losses.skate_term(feet, contact)["skate"]) == pytest.approx(expected)


def test_speed_and_place_are_those_of_the_motion_module():
    """Differentiable and in batches, the same numbers."""
    trans = noise(2, 9, 3).cumsum(1)
    speed = prior_losses.velocity(trans)
    for row in range(2):
        np.testing.assert_allclose(speed[row], central_velocity(trans[row].numpy(), 1 / 30), atol=1e-4)
    y = noise(2, 9, 61)
    place = prior_losses.translation_of(y, trans[:, 0, [0, 2]])
    for row in range(2):
        expected = from_velocity_channels(y[row, :, 54:57].numpy(), 1 / 30, trans[row, 0, [0, 2]].tolist())
        np.testing.assert_allclose(place[row], expected, atol=1e-6)


def test_true_global_motion_costs_what_central_differences_do():
    """Velocities that are forward differences lead to the very place; contacts and heights are the truth's."""
    x = features("lower")
    y = x.clone()
    steps = 30 * x[..., [54, 56]].diff(dim=1)
    y[..., [54, 56]] = torch.cat((steps, steps[:, -1:]), 1)
    terms = prior_losses.global_terms(y, x)
    assert max(float(terms[name]) for name in ("contact", "position")) < 1e-5
    assert float(terms["position_change"]) < 1e-4
    assert float(terms["speed"]) > 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_points_of_global_motion_need_no_body(body, seed):
    """What posing the true body at both places gives."""
    model, motion = JointModel.from_arrays(body), smooth_motion(8, seed)
    posed = torch.from_numpy(model.positions(motion, trans=False)).float()[None]
    x, y = noise(1, 8, 61, seed=seed), noise(1, 8, 61, seed=seed + 5)
    places = [posed + trans[:, :, None] for trans in (prior_losses.translation_of(y, x[:, 0, [54, 56]]), x[..., 54:57])]
    found = global_points(y, x, places[1][:, :, list(FEET)])
    expected = prior_losses.point_terms(places[0] - places[1], distance=torch.nn.functional.mse_loss)
    skate = prior_losses.skate_term(places[0][:, :, list(FEET)], y[..., 57:61])
    assert float(found["points"]) == pytest.approx(float(expected["points"]), rel=1e-4)
    assert float(found["points_velocity"]) == pytest.approx(5 * float(expected["points_velocity"]), rel=1e-4)
    assert float(found["skate"]) == pytest.approx(float(skate["skate"]), rel=1e-4)
    assert set(global_points(y, x, places[1][:, :, list(FEET)], changes=False)) == {"points", "skate"}


def test_faces_are_paired_with_their_own_or_the_others_expression(body):
    x, y = features("face"), features("face", 1)
    (jaw, face), (other_jaw, other_face) = paired(y, x, crossed=True)
    assert torch.equal(face, x[..., 6:])
    assert torch.equal(other_face, y[..., 6:])
    torch.testing.assert_close(jaw, prior_losses.rotations_in(y, 1)[:, :, 0])
    torch.testing.assert_close(other_jaw, prior_losses.rotations_in(x, 1)[:, :, 0])
    squares, betas = FaceSquares(FaceModel.from_arrays(body)), noise(2, 300)
    own, crossed = (FacePoints(squares, c)(y, x, betas) for c in (False, True))
    assert set(own) == set(prior_losses.POINT_TERMS)
    assert float(own["points"]) != pytest.approx(float(crossed["points"]), rel=1e-3)
    assert float(FacePoints(squares, False)(x, x, betas)["points"]) == 0


def test_every_part_is_told_where_its_points_are(body):
    model, betas = JointModel.from_arrays(body), noise(2, 300)
    for part, points in (("upper", TurningPoints(PosedJoints(model, "upper"), "upper")),
                         ("lower", LowerPoints(PosedJoints(model, "lower")))):  # fmt: skip
        x, y = features(part), features(part, 1)
        y.requires_grad_()
        prior_losses.total(points(y, x, betas)).backward()
        assert y.grad[..., :6].abs().min() > 0, part
        assert float(points(x, x, betas)["points"]) == 0
