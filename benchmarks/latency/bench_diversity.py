"""Distances of all pairs of clips, and similarity Procrustes of all frames, against the loops they replace."""

import numpy as np

from gesturebench.evaluators.diversity import average_distance
from gesturebench.evaluators.procrustes import aligned


def pairs_one_by_one(clips_NTC: np.ndarray) -> float:
    """The plain double loop: mean over unordered pairs of |A - B|_F / T."""
    n, total = len(clips_NTC), 0.0
    for i in range(n):
        for j in range(i + 1, n):
            total += float(np.linalg.norm(clips_NTC[i] - clips_NTC[j])) / clips_NTC.shape[1]
    return total / (n * (n - 1) / 2)


def aligned_frame_by_frame(source_TJ3: np.ndarray, target_TJ3: np.ndarray) -> np.ndarray:
    """The usual evaluation loop: one decomposition of a 3 x 3 matrix per frame."""
    out = []
    for x, y in zip(source_TJ3, target_TJ3):
        mu_x, mu_y = x.mean(0), y.mean(0)
        x0, y0 = x - mu_x, y - mu_y
        u, s, vt = np.linalg.svd(x0.T @ y0)
        z = np.eye(3)
        z[2, 2] = np.sign(np.linalg.det(u @ vt))
        rotation = vt.T @ z @ u.T
        scale = np.trace(z @ np.diag(s)) / np.sum(x0**2)
        out.append(scale * x @ rotation.T + mu_y - scale * rotation @ mu_x)
    return np.stack(out)


def random_clips(n: int, frames: int) -> np.ndarray:
    """Smooth clips as the evaluator keeps them: (n, frames, 165) float32, about a common posture."""
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(scale=0.003, size=(n, frames, 165)), axis=1)
    return (rng.normal(size=165) + walk).astype(np.float32)


def test_pair_distances_of_400_clips(versus):
    clips = random_clips(400, 60)
    np.testing.assert_allclose(average_distance(clips), pairs_one_by_one(clips), rtol=1e-6)
    versus(lambda: average_distance(clips), lambda: pairs_one_by_one(clips), rounds=3)


def test_pair_distances_of_300_frames(versus):
    clips = random_clips(150, 300)
    np.testing.assert_allclose(average_distance(clips), pairs_one_by_one(clips), rtol=1e-6)
    versus(lambda: average_distance(clips), lambda: pairs_one_by_one(clips), rounds=3)


def test_procrustes_of_a_minute(versus):
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(2, 1800, 55, 3))
    np.testing.assert_allclose(aligned(source, target), aligned_frame_by_frame(source, target), atol=1e-9)
    versus(lambda: aligned(source, target), lambda: aligned_frame_by_frame(source, target))
