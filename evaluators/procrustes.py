"""Similarity Procrustes: the rotation, scale and translation that bring one set of points nearest to another.

Legend: T frames, J points. Umeyama 1991, eq. 40 to 43, without reflections.
"""

import numpy as np


def aligned(source_TJ3: np.ndarray, target_TJ3: np.ndarray, weight_TJ: np.ndarray | None = None) -> np.ndarray:
    """(T, J, 3): s R x + t of every frame, with s, R, t minimising sum_j w_j |s R x_j + t - y_j|^2 over rotations R.

    With X, Y the points minus their weighted means and X^T W Y = U S V^T: R = V diag(1, 1, d) U^T, d = sign det(V U^T),
    s = tr(S diag(1, 1, d)) / sum_j w_j |X_j|^2. All frames go through one batch of 3 x 3 decompositions. A frame whose
    points coincide has no scale: s = 0. The unit of the weights does not matter.
    """
    weight = np.ones(source_TJ3.shape[:2]) if weight_TJ is None else np.asarray(weight_TJ, dtype=np.float64)
    total = weight.sum(1, keepdims=True)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)[..., None]
    mean_x, mean_y = ((share * points).sum(1, keepdims=True) for points in (source_TJ3, target_TJ3))
    x, y = source_TJ3 - mean_x, target_TJ3 - mean_y
    u, s, vt = np.linalg.svd(np.swapaxes(share * x, 1, 2) @ y)
    d = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    s[:, 2] *= d
    u[:, :, 2] *= d[:, None]  # R^T = U diag(1, 1, d) V^T
    variance = (share * x * x).sum((1, 2))
    scale = np.divide(s.sum(1), variance, out=np.zeros(len(s)), where=variance > 0)
    return scale[:, None, None] * (x @ (u @ vt)) + mean_y
