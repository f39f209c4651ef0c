"""A step of ancestral sampling, by the marginals that it must lead to."""

import pytest
import torch

from gesturebench.common.diffusion.ddpm import posterior
from gesturebench.common.diffusion.schedule import Schedule, linear_betas
from gesturebench.common.nn.positions import timestep_embedding

SCHEDULE = Schedule.respaced((15, 15, 8, 6, 6), linear_betas())


@pytest.mark.parametrize("index", [0, 1, 25, 49])
def test_the_mean_of_a_noiseless_state_is_the_noiseless_state_one_step_cleaner(index):
    """x_i = sqrt(a) x0 has the mean sqrt(a') x0."""
    x0 = torch.linspace(-2, 2, 9, dtype=torch.float64)
    found = posterior(float(SCHEDULE.alpha_bar[index]) ** 0.5 * x0, x0, SCHEDULE, index)
    assert torch.allclose(found.mean, SCHEDULE.previous(index) ** 0.5 * x0, atol=1e-12)


@pytest.mark.parametrize("index", [1, 25, 49])
def test_the_variance_is_the_upper_bound_of_the_true_one(index):
    """The true one makes the marginal 1 - a': what the share of x_i leaves; beta is above it."""
    zero = torch.zeros(1, dtype=torch.float64)
    rest = 1 - float(SCHEDULE.alpha_bar[index])
    share = float(posterior(zero + 1, zero, SCHEDULE, index).mean)
    true = 1 - SCHEDULE.previous(index) - share**2 * rest
    assert 0 < true < posterior(zero, zero, SCHEDULE, index).variance == SCHEDULE.betas[index]


def test_the_cleanest_step_takes_the_true_variance_of_the_one_before():
    zero = torch.zeros(1, dtype=torch.float64)
    share = float(posterior(zero + 1, zero, SCHEDULE, 1).mean)
    true = 1 - SCHEDULE.previous(1) - share**2 * (1 - float(SCHEDULE.alpha_bar[1]))
    assert posterior(zero, zero, SCHEDULE, 0).variance == pytest.approx(true, rel=1e-9)


def test_betas_give_the_levels_back():
    assert (1 - SCHEDULE.betas).cumprod() == pytest.approx(SCHEDULE.alpha_bar, rel=1e-12)
    assert Schedule.respaced([1000], linear_betas()).betas == pytest.approx(linear_betas(), rel=1e-9)


def test_an_odd_embedding_ends_with_a_zero():
    t = torch.tensor([0, 7, 999])
    odd = timestep_embedding(t, 33)
    assert torch.equal(odd[:, :-1], timestep_embedding(t, 32))
    assert not odd[:, -1].any()
