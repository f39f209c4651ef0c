"""Rotations as released BEAT2 code converts them, all by way of quaternions: for reproducing its numbers.

The names are those of `rotations`; what differs: angles beyond pi are kept on the way quaternion -> axis-angle, the
series for small angles take over below 1e-6, and a matrix's quaternion takes the sign of each component from the
antisymmetric part alone. That part vanishes at pi, so a half turn about a general axis may come back about another one:
in float32, of 1000 random half turns 305 return more than 1e-3 rad off, the worst by 1.8 rad; 1e-4 rad below pi the
worst error is 5e-4 rad, elsewhere 3e-4 (`rotations`: 5e-7 everywhere).
"""

import torch
from torch import Tensor

from gesturebench.common.motion.rotations import matrix_from_6d, matrix_to_6d

__all__ = [
    "axis_angle_from_6d",
    "axis_angle_to_6d",
    "axis_angle_to_matrix",
    "axis_angle_to_quaternion",
    "matrix_from_6d",
    "matrix_to_6d",
    "matrix_to_axis_angle",
    "matrix_to_quaternion",
    "quaternion_to_axis_angle",
    "quaternion_to_matrix",
]

_SMALL = 1e-6
"""Angles (radians) below which sin(w/2) / w is 1/2 - w^2 / 48."""


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """(..., 3) -> (..., 4) = (cos w/2, s v), s = sin(w/2) / w."""
    angle = axis_angle.norm(dim=-1, keepdim=True)
    return torch.cat((torch.cos(0.5 * angle), axis_angle * _half_sine_ratio(angle)), -1)


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """(..., 4) -> (..., 3), angle 2 atan2(|xyz|, w) in [0, 2 pi]: the sign of the quaternion is left as it is."""
    imaginary = quaternion[..., 1:]
    angle = 2 * torch.atan2(imaginary.norm(dim=-1, keepdim=True), quaternion[..., :1])
    return imaginary / _half_sine_ratio(angle)


def _half_sine_ratio(angle: Tensor) -> Tensor:
    small = angle.abs() < _SMALL
    safe = torch.where(small, torch.ones_like(angle), angle)
    return torch.where(small, 0.5 - angle * angle / 48, torch.sin(0.5 * angle) / safe)


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """(..., 4) of any length but zero -> (..., 3, 3), scaled by 2 / |q|^2."""
    w, x, y, z = quaternion.unbind(-1)
    s = 2 / (quaternion * quaternion).sum(-1)
    rows = (
        1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w),
        s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w),
        s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 4): square roots of the diagonal's four combinations, signs of the antisymmetric part."""
    m00, m11, m22 = matrix.diagonal(dim1=-2, dim2=-1).unbind(-1)
    squares = torch.stack((1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22), -1)
    magnitude = 0.5 * squares.clamp(min=0).sqrt()
    sine = torch.stack(
        (
            matrix[..., 2, 1] - matrix[..., 1, 2],
            matrix[..., 0, 2] - matrix[..., 2, 0],
            matrix[..., 1, 0] - matrix[..., 0, 1],
        ),
        -1,
    )
    signed = torch.where(sine < 0, -magnitude[..., 1:], magnitude[..., 1:])
    return torch.cat((magnitude[..., :1], signed), -1)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """(..., 3) -> (..., 3, 3)."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 3), angle in [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def axis_angle_to_6d(axis_angle: Tensor) -> Tensor:
    """(..., 3) -> (..., 6)."""
    return matrix_to_6d(axis_angle_to_matrix(axis_angle))


def axis_angle_from_6d(six: Tensor) -> Tensor:
    """(..., 6) -> (..., 3)."""
    return matrix_to_axis_angle(matrix_from_6d(six))
