"""Rotations: round trips, agreement with roma, and the golden conversions of BEAT2 code."""

import math

import numpy as np
import pytest
import roma
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.motion.rotations import (
    axis_angle_from_6d,
    axis_angle_to_6d,
    axis_angle_to_matrix,
    geodesic_angle,
    matrix_from_6d,
    matrix_to_6d,
    matrix_to_axis_angle,
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


@given(directions, angles, directions, angles)
def test_geodesic_angle_is_the_angle_between(direction_a, angle_a, direction_b, angle_b):
    a, b = (axis_angle_to_matrix(axis_angle(d, w)) for d, w in ((direction_a, angle_a), (direction_b, angle_b)))
    assert geodesic_angle(a, a).item() == pytest.approx(0, abs=1e-7)
    assert geodesic_angle(a, torch.eye(3, dtype=torch.float64)).item() == pytest.approx(angle_a, abs=1e-7)
    expected = roma.rotmat_geodesic_distance(a, b).item()
    assert geodesic_angle(a, b).item() == pytest.approx(expected, abs=1e-6)


def test_float32_half_turns_keep_their_axis():
    axis = torch.tensor([1.0, -2.0, 3.0]) / math.sqrt(14)
    back = matrix_to_axis_angle(axis_angle_to_matrix(axis * math.pi))
    assert min((back - axis * math.pi).abs().max(), (back + axis * math.pi).abs().max()) < 1e-3


def test_golden_conversions(reference):
    golden = np.load(reference / "reference" / "golden" / "evaluators" / "rotations.npz")
    vectors = torch.from_numpy(golden["f64/axis_angle"])
    matrix = torch.from_numpy(golden["f64/aa_to_matrix"])
    torch.testing.assert_close(axis_angle_to_matrix(vectors), matrix, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        axis_angle_to_6d(vectors), torch.from_numpy(golden["f64/matrix_to_6d"]), atol=1e-9, rtol=0
    )
    raw = torch.from_numpy(golden["f64/raw6d"])
    torch.testing.assert_close(matrix_from_6d(raw), torch.from_numpy(golden["f64/raw6d_to_matrix"]), atol=1e-6, rtol=0)
