"""Two-bone inverse kinematics for arms and legs, over all frames at once.

A limb is two straight bones with a hinge between them. Legend: T frames, a and b bone lengths, d rest direction of both
bones, h rest hinge axis; turning by theta > 0 about h bends the limb the natural way.
"""

import numpy as np
import torch

from gesturebench.common.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle

LONGEST, SHORTEST = 0.975, 0.38
"""Reach in limb lengths: nearer to straight the elbow would jump, nearer to folded it would pass through itself."""


def two_bone(
    target: np.ndarray,
    pole: np.ndarray,
    lengths: tuple[float, float],
    d: np.ndarray,
    h: np.ndarray,
    longest: float = LONGEST,
) -> tuple[np.ndarray, np.ndarray]:
    """Bring the end of a limb to `target` (T, 3) with its joint leaning towards `pole` (T, 3).

    Returns the rotation of the upper bone (T, 3, 3) and the hinge angle (T,). A target out of reach is approached.
    Law of cosines: cos(alpha) = (a^2 + r^2 - b^2) / (2 a r) at the root; the hinge angle follows from the two bone
    directions.
    """
    a, b = lengths
    r = np.linalg.norm(target, axis=1, keepdims=True)
    w = target / r
    r = np.clip(r, SHORTEST * (a + b), longest * (a + b))
    side = unit(pole - (pole * w).sum(1, keepdims=True) * w)
    cosine = (a * a + r * r - b * b) / (2 * a * r)
    u = cosine * w + np.sqrt(1 - cosine**2) * side
    f = (r * w - a * u) / b
    n = unit(np.cross(u, f))
    posed = np.stack((u, n, np.cross(u, n)), -1)
    rest = np.stack((d, h, np.cross(d, h)), -1)
    return posed @ rest.T, np.arccos(np.clip((u * f).sum(1), -1, 1))


def about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) by `angle` (T,) about one axis (3,) or one per frame (T, 3)."""
    return rotations(np.broadcast_to(axis, (len(angle), 3)) * np.asarray(angle)[:, None])


def rotations(vectors: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3) -> matrices (..., 3, 3), float64."""
    return axis_angle_to_matrix(torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float64))).numpy()


def vectors(matrices: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) -> axis-angle (..., 3), float64."""
    return matrix_to_axis_angle(torch.from_numpy(np.ascontiguousarray(matrices))).numpy()


def turned(points: np.ndarray, axis: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """Rotate (T, 3) points about unit axes (T, 3): Rodrigues' formula."""
    c, s = np.cos(angle), np.sin(angle)
    if np.ndim(angle):
        c, s = c[:, None], s[:, None]
    return points * c + np.cross(axis, points) * s + axis * (axis * points).sum(1, keepdims=True) * (1 - c)


def unit(v: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length one."""
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
