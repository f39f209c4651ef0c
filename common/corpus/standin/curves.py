"""Curves of human movement: minimum jerk, paths of preparation, stroke, hold and retraction, smooth noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

FPS = 30
RETRACTION_S, COARTICULATION_S = 0.55, 0.8


@dataclass(frozen=True, eq=False)
class Movement:
    """A gesture of one group of channels: the stroke runs through `keys` (K, D), paced by the first three columns."""

    prep_s: float
    stroke_s: float
    end_s: float
    hold_s: float
    keys: np.ndarray


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """s(u) = 10 u^3 - 15 u^4 + 6 u^5 on [0, 1] (Flash & Hogan 1985, eq. 10), constant outside."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u * u)


def follow(movements: Sequence[Movement], rest: np.ndarray, n_frames: int, tempo: float) -> np.ndarray:
    """(T, D): from `rest` through every movement.

    When the next preparation is near, the hand waits where it is instead of going home.
    """
    times = np.arange(n_frames) / FPS
    out = np.tile(np.asarray(rest, float), (n_frames, 1))
    here = out[0].copy() if n_frames else rest
    for i, m in enumerate(movements):
        next_prep = movements[i + 1].prep_s if i + 1 < len(movements) else np.inf
        stays = next_prep - m.hold_s < COARTICULATION_S
        release = next_prep if stays else m.hold_s
        _glide(out, times, m.prep_s, m.stroke_s, here, m.keys[0])
        stroke = (times >= m.stroke_s) & (times < m.end_s)
        out[stroke] = along(m.keys, minimum_jerk((times[stroke] - m.stroke_s) / (m.end_s - m.stroke_s)))
        out[(times >= m.end_s) & (times < release)] = m.keys[-1]
        here = m.keys[-1]
        if not stays:
            _glide(out, times, m.hold_s, m.hold_s + min(RETRACTION_S * tempo, COARTICULATION_S), here, rest)
            here = rest
    return out


def _glide(
    out: np.ndarray, times: np.ndarray, start_s: float, stop_s: float, origin: np.ndarray, goal: np.ndarray
) -> None:
    span = (times >= start_s) & (times < stop_s)
    s = minimum_jerk((times[span] - start_s) / max(stop_s - start_s, 1e-6))
    out[span] = origin + s[:, None] * (goal - origin)


def along(keys: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Points (n, D) at fractions `s` of the arc length of the polyline `keys` (K, D)."""
    if len(keys) == 1:
        return np.repeat(keys, len(s), axis=0)
    length = np.concatenate(([0], np.cumsum(np.linalg.norm(np.diff(keys[:, :3], axis=0), axis=1) + 1e-9)))
    return np.stack([np.interp(s * length[-1], length, column) for column in keys.T], -1)


def smooth(channels: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian low-pass over frames."""
    return gaussian_filter1d(channels, sigma, axis=0, mode="nearest")


def smooth_noise(rng: np.random.Generator, n_frames: int, dims: int, sigma: float) -> np.ndarray:
    """(T, D) stationary Gaussian noise of unit variance and correlation length `sigma` frames.

    White noise through a Gaussian kernel keeps the variance 1 / (2 sigma sqrt(pi)). Long correlations are drawn on a
    coarser grid and interpolated.
    """
    step = max(1, int(sigma // 4))
    coarse_sigma = sigma / step
    margin = int(4 * coarse_sigma) + 1
    n = n_frames // step + 2
    white = rng.standard_normal((n + 2 * margin, dims))
    coarse = gaussian_filter1d(white, coarse_sigma, axis=0)[margin : margin + n] * np.sqrt(
        2 * coarse_sigma * np.sqrt(np.pi)
    )
    if step == 1:
        return coarse[:n_frames]
    at = np.arange(n_frames) / step
    low = at.astype(int)
    weight = (at - low)[:, None]
    return (1 - weight) * coarse[low] + weight * coarse[low + 1]
