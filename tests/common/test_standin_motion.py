"""Movement of the stand-in corpus: limbs reach, curves are smooth, rules of the gesture grammar hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gesturebench.common.corpus.standin.curves import Movement, along, follow, minimum_jerk, smooth_noise
from gesturebench.common.corpus.standin.limbs import SHORTEST, about, two_bone

D, H = np.array([1.0, 0, 0]), np.array([0, -1.0, 0])
coordinate = st.floats(-1, 1)


def end_point(upper, bend, lengths):
    elbow = upper @ (lengths[0] * D)
    return elbow + upper @ about(H, bend) @ (lengths[1] * D)


@given(st.tuples(coordinate, coordinate, coordinate), st.tuples(coordinate, coordinate, coordinate))
@settings(max_examples=60)
def test_a_limb_reaches_what_is_in_reach(target, pole):
    lengths = (0.29, 0.26)
    target, pole = np.array([target]), np.array([pole])
    direction = target / max(np.linalg.norm(target), 1e-9)
    across = np.linalg.norm(pole - (pole * direction).sum() * direction)
    r = np.linalg.norm(target) / sum(lengths)
    if not SHORTEST < r < 0.97 or across < 0.05:
        return
    upper, bend = two_bone(target, pole, lengths, D, H)
    np.testing.assert_allclose(end_point(upper, bend, lengths), target, atol=1e-9)
    assert np.linalg.det(upper[0]) == pytest.approx(1)
    elbow = upper[0] @ D * lengths[0]
    assert elbow @ (pole[0] - (pole[0] @ direction[0]) * direction[0]) > 0


def test_a_limb_points_at_what_is_out_of_reach():
    target = np.array([[3.0, 0.5, 1.0]])
    upper, bend = two_bone(target, np.array([[0, -1.0, 0]]), (0.3, 0.3), D, H)
    end = end_point(upper, bend, (0.3, 0.3))[0]
    assert np.linalg.norm(end) == pytest.approx(0.975 * 0.6)
    np.testing.assert_allclose(end / np.linalg.norm(end), target[0] / np.linalg.norm(target))


def test_minimum_jerk_starts_and_ends_at_rest():
    u = np.linspace(-0.5, 1.5, 2001)
    s = minimum_jerk(u)
    assert s[0] == 0
    assert s[-1] == 1
    assert (np.diff(s) >= 0).all()
    edge = np.isclose(u, 0) | np.isclose(u, 1)
    assert np.abs(np.gradient(np.gradient(s, u), u)[edge]).max() < 0.1


def test_along_has_constant_pace_over_corners():
    keys = np.array([[0, 0, 0], [1, 0, 0], [1, 3, 0.0]])
    points = along(keys, np.linspace(0, 1, 9))
    np.testing.assert_allclose(points[[0, 2, 8]], keys, atol=1e-9)


def test_follow_rests_strokes_holds_and_returns():
    rest, a, b = np.zeros(3), np.array([1.0, 0, 0]), np.array([1.0, 1, 0])
    path = follow([Movement(1.0, 1.5, 2.0, 2.3, np.stack((a, b)))], rest, 150, 1.0)
    at = {t: path[round(t * 30)] for t in (0.5, 1.5, 2.1, 4.0)}
    np.testing.assert_allclose([at[0.5], at[1.5], at[2.1], at[4.0]], [rest, a, b, rest], atol=1e-9)


def test_follow_waits_in_place_when_the_next_gesture_is_near():
    a = np.array([[1.0, 0, 0]])
    near = [Movement(0.5, 1.0, 1.5, 1.6, a), Movement(2.0, 2.4, 2.8, 3.0, -a)]
    assert follow(near, np.zeros(3), 120, 1.0)[57, 0] == 1.0


@pytest.mark.parametrize("sigma", [1, 8, 25, 75])
def test_smooth_noise_has_unit_variance_and_the_asked_smoothness(sigma):
    noise = smooth_noise(np.random.default_rng(0), 20_000, 8, sigma)
    assert noise.shape == (20_000, 8)
    assert noise.std() == pytest.approx(1, rel=0.15)
    lag = int(2 * sigma)
    correlation = (noise[lag:] * noise[:-lag]).mean() / noise.var()
    assert correlation == pytest.approx(np.exp(-(lag**2) / (4 * sigma**2)), abs=0.1)


def test_about_agrees_with_scipy():
    angle = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(about(H, angle), Rotation.from_rotvec(angle[:, None] * H).as_matrix(), atol=1e-12)
