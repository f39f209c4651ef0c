"""DDIM on problems whose answer is known."""

import numpy as np
import pytest
import torch

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.respacing import PUBLISHED, kept_timesteps
from gesturebench.common.diffusion.schedule import Schedule, add_noise
from gesturebench.common.errors import InputError

FULL = Schedule.respaced([1000])
SHORT = Schedule.respaced(PUBLISHED)


def gaussian(schedule: Schedule, mean: float, variance: float) -> ddim.Predict:
    """The exact E[x_0 | x_t] where data are N(mean, variance)."""

    def predict(x: torch.Tensor, index: int) -> torch.Tensor:
        a = float(schedule.alpha_bar[index])
        gain = a**0.5 * variance / (a * variance + 1 - a)
        return mean + gain * (x - a**0.5 * mean)

    return predict


def noise(count: int = 1, width: int = 4000) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("spacing", [PUBLISHED, [1000], "leading", "trailing", "fast27", "ddim50"], ids=str)
def test_noise_becomes_the_data_distribution(spacing):
    schedule = Schedule.respaced(spacing)
    a = schedule.alpha_bar[-1]  # not zero: a little of the data is left in the noisiest state
    start = a**0.5 * 2.0 + (a * 0.25 + 1 - a) ** 0.5 * noise()
    x = ddim.sample(gaussian(schedule, 2.0, 0.25), start, schedule)
    assert x.mean() == pytest.approx(2.0, abs=0.01)
    assert x.std() == pytest.approx(0.5, abs=0.03)


def test_fifty_steps_come_near_to_a_thousand():
    """The flow is the same; its discretisation error shrinks with more steps."""
    exact = ddim.sample(gaussian(FULL, 2.0, 0.25), noise(), FULL)
    gaps = []
    for counts in ([5], [20], [80], [320]):
        schedule = Schedule.respaced(counts)
        gaps.append(float((ddim.sample(gaussian(schedule, 2.0, 0.25), noise(), schedule) - exact).abs().max()))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.1 * gaps[0]


def test_sampling_undoes_inversion_when_the_prediction_does_not_move():
    """With a constant prediction both directions follow one straight line of noise."""
    constant, start = noise(1), noise(1) + 3
    predict = lambda x, index: constant  # noqa: E731
    levels = ddim.invert(predict, start, SHORT)
    assert levels.shape == (50, *start.shape)
    torch.testing.assert_close(ddim.sample(predict, levels[-1], SHORT), constant)
    torch.testing.assert_close(levels[0], ddim.move(start, constant, SHORT.alpha_bar[0], SHORT.alpha_bar[1]))


def test_inversion_of_fine_steps_is_undone_by_sampling():
    """From the state at the noisiest level, the one before the last; the last is the noise alone."""
    start = 2.0 + 0.5 * noise()
    predict = gaussian(FULL, 2.0, 0.25)
    levels = ddim.invert(predict, start, FULL)
    assert (ddim.sample(predict, levels[-2], FULL) - start).abs().max() < 0.02
    assert levels[-1].mean().abs() < 0.05
    assert levels[-2].mean() > 0.1


def test_moving_nowhere_changes_nothing():
    x, x0 = noise(), noise() + 1
    torch.testing.assert_close(ddim.move(x, x0, 0.3, 0.3), x)
    torch.testing.assert_close(ddim.move(x, x0, 0.3, 1.0), x0)
    torch.testing.assert_close(add_noise(x0, ddim.predicted_noise(x, x0, 0.3), 0.3), x)


def test_hooks_see_every_step_once_from_noisy_to_clean():
    before, after = [], []
    ddim.sample(
        lambda x, i: x,
        noise(),
        SHORT,
        before_step=lambda x, i: (before.append(i), x)[1],
        after_step=after.append,
    )
    assert before == after == list(range(49, -1, -1))


def test_noise_levels_are_those_of_the_formula():
    x0, eps = torch.ones(3, 2), torch.full((3, 2), 2.0)
    alpha_bar = torch.tensor([1.0, 0.36, 0.0])[:, None]
    expected = torch.tensor([1.0, 0.6 + 0.8 * 2, 2.0])[:, None].expand(3, 2)
    torch.testing.assert_close(add_noise(x0, eps, alpha_bar), expected)


@pytest.mark.parametrize(
    ("spacing", "count", "last"),
    [
        ([1], 1, 0), ([50], 50, 999), ([1000], 1000, 999), ([3, 3, 2, 1, 1], 10, 800), ((7, 1, 5), 13, 999),
        ("ddim1", 1, 0), ("ddim50", 50, 980), ("ddim1000", 1000, 999), ("leading", 50, 980), ("trailing", 51, 999),
        ("fast27", 50, 997),
    ],
)  # fmt: skip
def test_timesteps_rise_within_range(spacing, count, last):
    timesteps = kept_timesteps(spacing)
    assert len(timesteps) == count == len(Schedule.respaced(spacing))
    assert (np.diff(timesteps) > 0).all()
    assert (timesteps[0], timesteps[-1]) == (0, last)


def test_neighbours_of_a_schedule():
    assert SHORT.previous(0) == 1.0
    assert SHORT.next(49) == 0.0
    assert SHORT.next(3) == SHORT.alpha_bar[4]
    assert SHORT.previous(4) == SHORT.alpha_bar[3]


@pytest.mark.parametrize("spacing", [[0, 5], [600, 600], [], "ddim333", "ddim1001"])
def test_impossible_respacing_is_refused(spacing):
    with pytest.raises(InputError, match="respacing"):
        kept_timesteps(spacing)


def test_unknown_respacing_lists_near_matches():
    with pytest.raises(InputError, match=r"unknown respacing 'trailling'.*did you mean 'trailing'"):
        kept_timesteps("trailling")
