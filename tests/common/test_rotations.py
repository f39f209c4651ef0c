"""Rotations: round trips, agreement with roma and scipy, and where the legacy conversions differ."""

import math

import numpy as np
import pytest
import roma
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gesturebench.common.motion import rotations, rotations_legacy
from gesturebench.common.motion.rotations import (
    axis_angle_from_6d,
    axis_angle_to_6d,
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_from_6d,
    matrix_to_6d,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
)

components = st.floats(-1, 1, allow_nan=False, width=64)
directions = st.tuples(components, components, components).filter(lambda v: math.hypot(*v) > 1e-3)
angles = st.one_of(st.floats(0, math.pi - 1e-6), st.sampled_from([0.0, 1e-12, 1e-7, 1e-4, math.pi / 2, math.pi - 1e-5]))


def axis_angle(direction, angle) -> torch.Tensor:
    axis = torch.tensor(direction, dtype=torch.float64)
    return angle * axis / axis.norm()


@given(directions, angles)
def test_matrix_is_romas_and_a_rotation(direction, angle):
    vector = axis_angle(direction, angle)
    matrix = axis_angle_to_matrix(vector)
    torch.testing.assert_close(matrix, roma.rotvec_to_rotmat(vector), atol=1e-8, rtol=0)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert torch.det(matrix).item() == pytest.approx(1)


@given(directions, angles)
def test_axis_angle_survives_matrix_and_6d(direction, angle):
    """Below pi the axis-angle vector itself comes back, also where the sine vanishes."""
    vector = axis_angle(direction, angle)
    torch.testing.assert_close(matrix_to_axis_angle(axis_angle_to_matrix(vector)), vector, atol=1e-7, rtol=0)
    torch.testing.assert_close(axis_angle_from_6d(axis_angle_to_6d(vector)), vector, atol=1e-7, rtol=0)


@given(directions, st.floats(math.pi, 20))
def test_beyond_pi_the_rotation_is_kept(direction, angle):
    matrix = axis_angle_to_matrix(axis_angle(direction, angle))
    back = matrix_to_axis_angle(matrix)
    assert back.norm().item() <= math.pi + 1e-9
    torch.testing.assert_close(axis_angle_to_matrix(back), matrix, atol=1e-6, rtol=0)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_any_6d_gives_a_rotation_that_6d_keeps(six):
    raw = torch.tensor(six, dtype=torch.float64)
    first, second = raw[:3], raw[3:]
    if torch.linalg.cross(first, second).norm() < 1e-3 or first.norm() < 1e-3:
        return
    matrix = matrix_from_6d(raw)
    torch.testing.assert_close(matrix.T @ matrix, torch.eye(3, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(matrix_from_6d(matrix_to_6d(matrix)), matrix, atol=1e-9, rtol=0)


@given(directions, st.floats(0, 20))
def test_quaternions_are_scipys(direction, angle):
    vector = axis_angle(direction, angle)
    quaternion = axis_angle_to_quaternion(vector)
    turn = Rotation.from_rotvec(vector.numpy())
    expected = turn.as_quat(scalar_first=True)
    sign = math.copysign(1, float(quaternion.numpy() @ expected))
    np.testing.assert_allclose(sign * quaternion.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(quaternion_to_matrix(3 * quaternion).numpy(), turn.as_matrix(), atol=1e-12)
    matrix = torch.from_numpy(turn.as_matrix())
    np.testing.assert_allclose(quaternion_to_matrix(matrix_to_quaternion(matrix)).numpy(), matrix, atol=1e-9)


@given(directions, st.floats(0, 20))
def test_quaternion_gives_the_shorter_way_round(direction, angle):
    vector = axis_angle(direction, angle)
    back = quaternion_to_axis_angle(axis_angle_to_quaternion(vector))
    assert back.norm().item() <= math.pi + 1e-12
    expected = roma.rotvec_to_rotmat(vector)
    torch.testing.assert_close(roma.rotvec_to_rotmat(back), expected, atol=1e-8, rtol=0)


@given(directions, st.floats(1e-5, math.pi - 0.1))
def test_legacy_conversions_agree_away_from_half_turns(direction, angle):
    """Below 1e-5 the legacy way to a quaternion already loses digits of the angle."""
    vector = axis_angle(direction, angle)
    matrix = rotations_legacy.axis_angle_to_matrix(vector)
    torch.testing.assert_close(matrix, axis_angle_to_matrix(vector), atol=1e-12, rtol=0)
    torch.testing.assert_close(rotations_legacy.axis_angle_to_6d(vector), axis_angle_to_6d(vector), atol=1e-12, rtol=0)
    torch.testing.assert_close(
        rotations_legacy.axis_angle_from_6d(matrix_to_6d(matrix)), matrix_to_axis_angle(matrix), atol=1e-6, rtol=0
    )


def test_legacy_keeps_whole_turns_and_loses_half_turns():
    axes = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    over = 4.0 * axes.double()
    kept = rotations_legacy.quaternion_to_axis_angle(rotations_legacy.axis_angle_to_quaternion(over))
    torch.testing.assert_close(kept, over)
    half = math.pi * axes
    expected = roma.rotvec_to_rotmat(half.double())

    def worst(conversions) -> float:
        back = conversions.matrix_to_axis_angle(conversions.axis_angle_to_matrix(half)).double()
        return roma.rotmat_geodesic_distance(roma.rotvec_to_rotmat(back), expected).max().item()

    assert worst(rotations_legacy) > 0.1
    assert worst(rotations) < 1e-5


def test_both_modules_have_the_same_conversions():
    names = {name for name in vars(rotations) if name.startswith(("axis_angle", "matrix", "quaternion"))}
    assert names == set(rotations_legacy.__all__)


def test_float32_half_turns_keep_their_axis():
    axis = torch.tensor([1.0, -2.0, 3.0]) / math.sqrt(14)
    back = matrix_to_axis_angle(axis_angle_to_matrix(axis * math.pi))
    assert min((back - axis * math.pi).abs().max(), (back + axis * math.pi).abs().max()) < 1e-3
