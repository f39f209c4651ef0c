"""Rotations: axis-angle <-> quaternion <-> matrix <-> 6D, on tensors of any leading shape.

6D is the first two **rows** of the matrix, flattened row by row (the convention of BEAT2 code; Zhou et al. 2019 use
columns). Quaternions have their real part first. Every way back gives angles in [0, pi] and keeps full precision up to
pi; `rotations_legacy` has the conversions of released code.
"""

import torch
from torch import Tensor


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """(..., 3) radians -> (..., 3, 3) by Rodrigues' formula R = I + a K + b K^2, a = sin w / w,
    b = 2 sin^2(w / 2) / w^2 (the form of 1 - cos that loses no digits)."""
    angle2 = (axis_angle * axis_angle).sum(-1)
    small = angle2 < 1e-8
    angle = torch.where(small, torch.ones_like(angle2), angle2).sqrt()
    a = torch.where(small, 1 - angle2 / 6, torch.sin(angle) / angle)
    b = torch.where(small, 0.5 - angle2 / 24, 2 * (torch.sin(angle / 2) / angle) ** 2)
    x, y, z = axis_angle.unbind(-1)
    rows = (
        1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y,
        b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x,
        b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 4) real part first and non-negative; stable at every angle (largest of four candidates)."""
    m = matrix.flatten(-2)
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = m.unbind(-1)
    # four times w^2, x^2, y^2, z^2; the candidate divided by the largest one loses no precision
    squares = torch.stack((1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22), -1)
    candidates = torch.stack(
        (
            torch.stack((squares[..., 0], m21 - m12, m02 - m20, m10 - m01), -1),
            torch.stack((m21 - m12, squares[..., 1], m10 + m01, m02 + m20), -1),
            torch.stack((m02 - m20, m10 + m01, squares[..., 2], m12 + m21), -1),
            torch.stack((m10 - m01, m02 + m20, m12 + m21, squares[..., 3]), -1),
        ),
        -2,
    )
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quaternion = torch.nn.functional.normalize(candidates.gather(-2, best).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """(..., 4) of any length but zero -> (..., 3, 3)."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """(..., 3) radians -> (..., 4) = (cos w/2, sin(w/2) axis); the real part is negative for w in (pi, 3 pi)."""
    angle = axis_angle.norm(dim=-1, keepdim=True)
    # sinc(x) = sin(pi x) / (pi x) is exact at 0
    return torch.cat((torch.cos(angle / 2), axis_angle * torch.sinc(angle / (2 * torch.pi)) / 2), -1)


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """(..., 4) unit -> (..., 3), the shorter way round: angle in [0, pi]."""
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    norm = imaginary.norm(dim=-1, keepdim=True)
    half = torch.atan2(norm, real)
    small = norm < 1e-7
    factor = torch.where(small, 2 / real.clamp(min=1e-7), 2 * half / norm.clamp(min=1e-12))
    return imaginary * factor


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 3), angle in [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_6d(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 6): the first two rows."""
    return matrix[..., :2, :].flatten(-2)


def matrix_from_6d(six: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt of the two rows; any non-degenerate six numbers are accepted."""
    first, second = six[..., :3], six[..., 3:]
    x = torch.nn.functional.normalize(first, dim=-1)
    y = torch.nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack((x, y, torch.linalg.cross(x, y, dim=-1)), -2)


def axis_angle_to_6d(axis_angle: Tensor) -> Tensor:
    """(..., 3) -> (..., 6)."""
    return matrix_to_6d(axis_angle_to_matrix(axis_angle))


def axis_angle_from_6d(six: Tensor) -> Tensor:
    """(..., 6) -> (..., 3), angle in [0, pi]."""
    return matrix_to_axis_angle(matrix_from_6d(six))
