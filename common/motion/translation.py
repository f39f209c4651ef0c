"""Translation as networks emit it: x and z as velocities, y as a position."""

import numpy as np


def central_velocity(positions: np.ndarray, dt_s: float) -> np.ndarray:
    """(T, ...) metres -> (T, ...) m/s: central differences over 2 dt, one-sided at both ends; 0 for a single frame."""
    if len(positions) < 2:
        return np.zeros_like(positions)
    return np.gradient(positions, dt_s, axis=0)


def integrated_velocity(velocity: np.ndarray, start: np.ndarray, dt_s: float) -> np.ndarray:
    """(T, ...) m/s and the first position (...) -> (T, ...) metres: p[0] = start, p[t] = p[t-1] + v[t-1] dt.

    The last velocity is not used. Summed in float64. It undoes forward differences; central ones only up to O(dt^2).
    """
    steps = np.concatenate([np.asarray(start, np.float64)[None], np.asarray(velocity[:-1], np.float64) * dt_s])
    return np.cumsum(steps, axis=0).astype(velocity.dtype)


def velocity_channels(trans: np.ndarray, dt_s: float) -> np.ndarray:
    """(T, 3) metres -> (T, 3) = (vx m/s, y m, vz m/s), the training target of BEAT2's motion networks."""
    velocity = central_velocity(trans, dt_s)
    return np.stack((velocity[:, 0], trans[:, 1], velocity[:, 2]), axis=1)


def from_velocity_channels(channels: np.ndarray, dt_s: float, start_xz: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """(T, 3) = (vx, y, vz) -> (T, 3) metres, standing at `start_xz` in the first frame."""
    x, z = integrated_velocity(channels[:, [0, 2]], np.asarray(start_xz), dt_s).T
    return np.stack((x, channels[:, 1], z), axis=1)
