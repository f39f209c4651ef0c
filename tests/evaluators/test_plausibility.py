from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.motion.skeleton import FEET
from gesturebench.evaluators.pairs import body_positions
from gesturebench.evaluators.plausibility import floor_levels, jerk, penetration, sliding_speeds

UP = np.array([0.0, 1.0, 0.0])


def walking_feet(n=90, speed=0.0, rise=0.0):
    """(n, 4, 3): four joints on the floor, at different heights above it, moving along x and upwards."""
    feet = np.zeros((n, 4, 3))
    feet[..., 0] = speed * np.arange(n)[:, None] / 30
    feet[..., 1] = [0.09, 0.09, 0.02, 0.02] + rise * np.arange(n)[:, None] / 30
    return feet


def test_jerk_of_a_cubic_is_its_third_derivative():
    t = np.arange(40)[:, None, None] / 30
    direction = np.array([1.0, 2.0, 2.0])
    assert jerk(t**3 * direction + t**2 - 5 * t) == pytest.approx(6 * 3, rel=1e-9)


def test_jerk_grows_with_the_cube_of_tempo():
    t = np.arange(900)[:, None, None] / 30
    slow, fast = (jerk(0.1 * np.sin(2 * np.pi * rate * t) * np.ones(3)) for rate in (0.5, 1.0))
    assert fast / slow == pytest.approx(8, rel=0.02)


def test_floor_is_where_feet_stand():
    feet = walking_feet()
    feet[40:60, :, 1] += np.linspace(0, 1, 20)[:, None]  # a jump, too fast to count as contact
    np.testing.assert_allclose(floor_levels(feet), [0.09, 0.09, 0.02, 0.02])


def test_sliding_is_the_horizontal_speed_on_the_ground():
    still, levels = walking_feet(), floor_levels(walking_feet())
    assert sliding_speeds(still, levels, 0.025).max() == 0
    np.testing.assert_allclose(sliding_speeds(walking_feet(speed=0.2), levels, 0.025), 0.2)
    assert len(sliding_speeds(walking_feet(speed=0.2) + 0.03 * UP, levels, 0.025)) == 0


def test_a_step_through_the_air_does_not_slide():
    feet = walking_feet(n=30)
    feet[10:20, 0] += [0.3, 0.2, 0]
    feet[20:, 0] += [0.6, 0, 0]
    speeds = sliding_speeds(feet, floor_levels(walking_feet()), 0.025)
    assert len(speeds) == 4 * 29 - 11  # ten frames in the air take part in eleven steps
    assert speeds.max() == 0


def test_penetration_is_the_depth_of_the_deepest_joint():
    feet, levels = walking_feet(n=4), floor_levels(walking_feet())
    feet[2, 1, 1] -= 0.04
    feet[2, 3, 1] -= 0.01
    assert penetration(feet, levels) == pytest.approx(0.01)
    assert penetration(feet + 0.1 * UP, levels) == 0


def test_captured_motion_scores_its_own_values(make, store):
    evaluator = make.evaluator("plausibility")
    for clip_id in store.ids[:2]:
        evaluator.update(store.motion(clip_id), store.clip(clip_id))
    numbers = evaluator.compute()
    for key in ("jerk", "foot_sliding", "ground_penetration"):
        assert numbers[key] == numbers[f"{key}_captured"]


def test_noise_jerks_and_sinking_penetrates(make, store):
    clip = store.clip(store.ids[0])
    noise = 0.02 * np.random.default_rng(0).normal(size=clip.motion.poses.shape)
    true = make.evaluator("plausibility").update(clip.motion, clip)
    noisy = make.evaluator("plausibility").update(replace(clip.motion, poses=clip.motion.poses + noise), clip)
    assert noisy["jerk"] > 5 * true["jerk"]
    sunk = make.evaluator("plausibility").update(replace(clip.motion, trans=clip.motion.trans - UP), clip)
    levels = floor_levels(body_positions(store.joints, clip.motion, clip)[:, FEET])
    feet = body_positions(store.joints, clip.motion, clip)[:, FEET, 1]
    assert sunk["ground_penetration"] == pytest.approx(100 * (1 + (levels - feet).max(1).mean()), rel=1e-6)
    assert sunk["jerk"] == pytest.approx(true["jerk"])


def test_a_floating_body_has_no_sliding(make, store):
    clip, evaluator = store.clip(store.ids[0]), make.evaluator("plausibility")
    values = evaluator.update(replace(clip.motion, trans=clip.motion.trans + UP), clip)
    numbers = evaluator.compute()
    assert "foot_sliding" not in values
    assert numbers["foot_sliding"] is None
    assert numbers["foot_sliding_captured"] > 0
    assert values["ground_penetration"] == 0
