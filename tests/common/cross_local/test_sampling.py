"""The cosine schedule, ancestral sampling against the distribution it is meant to have, and known motion."""

import numpy as np
import pytest
import torch

from gesturebench.common.cross_local.diffusion import (
    Draws,
    cosine_betas,
    cosine_schedule,
    imposed,
    posterior_variance,
    sample,
)
from gesturebench.common.cross_local.losses import masked_smooth_l1
from gesturebench.common.diffusion import ddim
from gesturebench.common.seeds import torch_generator

MEAN, DEVIATION = 2.0, 0.5


def optimal(schedule):
    """E[x0 | x_t] of data N(2, 0.25), for which the sampler is exact up to its step."""

    def predict(x, index):
        a = float(schedule.alpha_bar[index])
        variance = DEVIATION**2
        gain = a**0.5 * variance / (a * variance + 1 - a)
        return MEAN + gain * (x - a**0.5 * MEAN)

    return predict


def test_the_schedule_ends_in_noise_and_starts_in_data():
    schedule = cosine_schedule()
    assert len(schedule) == 1000
    assert schedule.alpha_bar[0] > 0.9999
    assert schedule.alpha_bar[-1] < 1e-5
    assert cosine_betas().max() == 0.999
    np.testing.assert_allclose(schedule.betas, cosine_betas(), atol=1e-12)


def test_the_posterior_is_narrower_than_the_step():
    schedule = cosine_schedule(50)
    variances = np.array([posterior_variance(schedule, index) for index in range(50)])
    assert variances[0] == 0
    assert (variances[1:] > 0).all()
    assert (variances < schedule.betas).all()


@pytest.mark.parametrize(("sampler", "steps"), [("ddpm", 1000), ("ddim", 100)])
def test_samples_are_distributed_like_the_data(sampler, steps):
    schedule = cosine_schedule(steps)
    noise = Draws([torch_generator("distribution", sampler)], (20_000,))
    found = sample(optimal(schedule), noise(), schedule, sampler, noise)
    assert abs(float(found.mean()) - MEAN) < 0.02
    assert abs(float(found.std()) - DEVIATION) < 0.03


def test_deterministic_steps_are_those_of_ddim():
    schedule, noise = cosine_schedule(50), torch.randn(4, 6, generator=torch_generator("deterministic")).double()
    found = sample(optimal(schedule), noise, schedule, "ddim", lambda index: torch.full_like(noise, torch.nan))
    torch.testing.assert_close(found, ddim.sample(optimal(schedule), noise, schedule), atol=1e-7, rtol=1e-7)


def test_noise_that_sampling_begins_with_is_left_alone():
    schedule, noise = cosine_schedule(5), torch.randn(4, 6, generator=torch_generator("start"))
    before = noise.clone()
    for sampler in ("ddpm", "ddim"):
        sample(lambda x, index: x, noise, schedule, sampler, lambda index: before)
        assert torch.equal(noise, before)


@pytest.mark.parametrize("when", ["every", "last"])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_what_is_known_is_met_exactly(when, sampler):
    schedule, shape = cosine_schedule(20), (2, 6, 3)
    noise = Draws([torch_generator("known", row) for row in range(2)], shape[1:])
    known = torch.randn(shape, generator=torch_generator("values"))
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[:, 2] = True
    led = imposed(optimal(schedule), known, mask, when)
    found = sample(led, noise(), schedule, sampler, noise)
    assert torch.equal(found[mask], known[mask])
    assert (found[~mask] - known[~mask]).abs().min() > 0


def test_inpainting_leads_the_rest_along():
    """A network that wants all frames alike: at every step it learns of the known one, in the last it is too late."""
    schedule, shape = cosine_schedule(50), (1, 5, 1)
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[:, 0] = True

    def alike(x, index):
        return x.mean(1, keepdim=True).expand(shape)

    def last_frame(when):
        noise = Draws([torch_generator("lead")], shape[1:])
        led = imposed(alike, torch.full(shape, 3.0), mask, when)
        return float(sample(led, noise(), schedule, "ddpm", noise)[0, -1, 0])

    assert last_frame("every") > last_frame("last") + 0.5


def test_a_row_does_not_depend_on_its_neighbours():
    schedule = cosine_schedule(10)

    def run(rows):
        noise = Draws([torch_generator("row", row) for row in rows], (4,))
        return sample(optimal(schedule), noise(), schedule, "ddpm", noise)

    torch.testing.assert_close(run([0, 1, 2])[1], run([1])[0])


def test_the_loss_counts_unmasked_entries():
    a, b = torch.zeros(2, 3, 4), torch.full((2, 3, 4), 3.0)
    mask = torch.tensor([[1, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(masked_smooth_l1(a, b, mask), torch.full((2,), 2.5))
    torch.testing.assert_close(masked_smooth_l1(a, b * 0.1, mask), torch.full((2,), 0.045))
    half = torch.ones_like(a)
    half[..., :2] = 0
    torch.testing.assert_close(masked_smooth_l1(a, b, mask, half), torch.full((2,), 1.25))
