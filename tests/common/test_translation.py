"""Translation as velocity: what integration undoes, and to which order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.motion.translation import (
    central_velocity,
    from_velocity_channels,
    integrated_velocity,
    velocity_channels,
)


def walk(fps: float, seconds: float = 2.0) -> np.ndarray:
    t = np.arange(round(fps * seconds) + 1) / fps
    return np.stack((np.sin(2 * t), 1 + 0.1 * np.cos(5 * t), t**2 / 2 - np.cos(t)), axis=1)


@given(st.integers(1, 30), st.integers(0, 100), st.sampled_from([1 / 30, 1 / 15]))
def test_integration_undoes_forward_differences(n, seed, dt_s):
    positions = np.random.default_rng(seed).normal(size=(n, 3))
    forward = np.concatenate([np.diff(positions, axis=0) / dt_s, np.full((1, 3), 1e6)])
    np.testing.assert_allclose(integrated_velocity(forward, positions[0], dt_s), positions, atol=1e-9)


def test_velocity_is_central_inside_and_one_sided_at_the_ends():
    x, dt_s = walk(30), 1 / 30
    velocity = central_velocity(x, dt_s)
    np.testing.assert_allclose(velocity[3], (x[4] - x[2]) / (2 * dt_s))
    np.testing.assert_allclose(velocity[0], (x[1] - x[0]) / dt_s)
    np.testing.assert_allclose(velocity[-1], (x[-1] - x[-2]) / dt_s)
    assert not central_velocity(x[:1], dt_s).any()


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_channels_there_and_back(fps):
    """The height is kept; x and z start where they are told and drift by no more than O(dt)."""
    trans = walk(fps)
    channels = velocity_channels(trans, 1 / fps)
    np.testing.assert_array_equal(channels[:, 1], trans[:, 1])
    back = from_velocity_channels(channels, 1 / fps, start_xz=(trans[0, 0], trans[0, 2]))
    np.testing.assert_array_equal(back[0], trans[0])
    assert np.abs(back - trans).max() < 3 / fps
    moved = from_velocity_channels(channels, 1 / fps)
    np.testing.assert_allclose(moved - moved[0] * [1, 0, 1], back - back[0] * [1, 0, 1], atol=1e-12)


def test_drift_falls_with_the_step():
    def drift(fps: float) -> float:
        trans = walk(fps)
        back = from_velocity_channels(velocity_channels(trans, 1 / fps), 1 / fps, (trans[0, 0], trans[0, 2]))
        return float(np.abs(back - trans).max())

    assert drift(30) / drift(60) == pytest.approx(2, rel=0.2)
