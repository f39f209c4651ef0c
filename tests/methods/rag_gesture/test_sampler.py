"""Latent initialisation, insertion guidance and carrying on, on the real sampler with a trained denoiser."""

import pytest
import torch

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.methods.rag_gesture.conditions import SpeechConditions
from gesturebench.methods.rag_gesture.config import GuidanceConfig, PartScales
from gesturebench.methods.rag_gesture.fitting import build_denoiser
from gesturebench.methods.rag_gesture.sampler import LatentSampler, token_scale
from gesturebench.methods.rag_gesture.steering import Insertion, Outpainting

L = 32


@pytest.fixture(scope="module")
def denoiser(small):
    network, _ = build_denoiser(small.config("rag_gesture"))
    load_weights(network.requires_grad_(False), small.artifacts("rag_gesture")["denoiser"])
    return network


@pytest.fixture(scope="module")
def parts(small, store, denoiser):
    """(sampler, layout, conditions of one window)."""
    config = small.config("rag_gesture")
    told = SpeechConditions(store.speech(store.split("test")[0]), config.conditions).window(0, 120)
    return LatentSampler(denoiser, config.sampling), denoiser.layout, told


def noise(layout, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, layout.tokens, L, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def insertion(parts):
    sampler, layout, told = parts
    mask = torch.zeros(1, layout.tokens, 1, dtype=torch.bool)
    mask[:, layout.tokens_of(3, 6)] = True
    return Insertion(sampler.invert(noise(layout, 7), told), mask)


def test_inversion_and_sampling_have_their_shapes(parts):
    sampler, layout, told = parts
    start = noise(layout)
    levels = sampler.invert(start, told)
    assert levels.shape == (len(sampler.schedule) + 1, 1, layout.tokens, L)
    assert torch.equal(levels[0], start)
    sample = sampler.sample(start, told)
    assert sample.shape == start.shape
    assert torch.isfinite(sample).all()


@pytest.mark.parametrize("entry", [-1, -4, -10])
def test_initialise_puts_the_inverted_latent_where_the_mask_is(parts, insertion, entry):
    """-1 is the noisiest of ten, -10 the one above the clean latents."""
    _, layout, _ = parts
    start = noise(layout)
    begun = insertion.initialise(start, entry)
    where = insertion.mask[0, :, 0]
    assert torch.equal(begun[:, where], insertion.levels[11 + entry][:, where])
    assert torch.equal(begun[:, ~where], start[:, ~where])


@pytest.mark.parametrize(("level", "above"), [("matched", 0), ("released", 1)])
def test_guidance_pulls_towards_the_level_of_the_step(insertion, parts, level, above):
    _, layout, _ = parts
    config = GuidanceConfig(mode="paper", schedule="all_10", lr=0.1, target_level=level)
    change, x = insertion.guidance(config), noise(layout, 1)
    where, steps = insertion.mask[0, :, 0], len(insertion.levels) - 1
    for index in range(steps - 1):
        moved, target = change(x, index), insertion.levels[index + above]
        torch.testing.assert_close((moved - target)[:, where], (x - target)[:, where] * 0.8**10, atol=1e-5, rtol=1e-4)
        assert torch.equal(moved[:, ~where], x[:, ~where])
    assert torch.equal(change(x, steps - 1), x)  # the noisiest state is what initialisation made it


def test_guided_sample_ends_nearer_to_what_was_inserted(parts, insertion):
    sampler, layout, told = parts
    guidance = insertion.guidance(GuidanceConfig(mode="paper", schedule="all_10"))
    where = insertion.mask[0, :, 0]

    def end(start, changes=()):
        return sampler.sample(start, told, changes)[:, where]

    target = insertion.levels[0][:, where]
    gaps = [
        (end(start, changes) - target).square().mean()
        for start, changes in ((noise(layout), ()), (insertion.initialise(noise(layout)), [guidance]))
    ]
    assert gaps[1] < gaps[0]


def test_carry_holds_the_noised_latents_of_every_level():
    """The carried tokens have the mean and variance of q(x_t | x_0); the others are left alone."""
    schedule = Schedule.respaced([3, 3, 2, 1, 1])
    g = torch.Generator().manual_seed(0)
    latents = torch.full((1, 4, 4096), 2.0)
    mask = torch.tensor([True, False, True, False])[None, :, None]
    carry = Outpainting(latents, mask, torch.randn(len(schedule), 1, 4, 4096, generator=g), schedule)
    x = torch.randn(1, 4, 4096, generator=g)
    for index, alpha_bar in enumerate(schedule.alpha_bar):
        carried = carry(x, index)
        assert torch.equal(carried[:, 1], x[:, 1])
        assert carried[:, 0].mean() == pytest.approx(2 * alpha_bar**0.5, abs=0.05)
        assert carried[:, 0].var() == pytest.approx(1 - alpha_bar, abs=0.07)


def test_a_sampler_that_is_sure_of_its_state_keeps_what_is_carried(parts):
    """With a network that returns the clean part of its input, carried tokens end within the noise of the last step."""
    schedule = parts[0].schedule
    g = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 6, 8, generator=g)
    mask = torch.zeros(1, 6, 1, dtype=torch.bool)
    mask[:, :2] = True
    carry = Outpainting(latents, mask, torch.randn(len(schedule), 1, 6, 8, generator=g), schedule)
    start = torch.randn(1, 6, 8, generator=g)
    sample = ddim.sample(lambda x, i: x / schedule.alpha_bar[i] ** 0.5, start, schedule, before_step=carry)
    spread = (1 / schedule.alpha_bar[0] - 1) ** 0.5
    assert (sample - latents)[:, :2].abs().max() < 4 * spread
    assert (sample - latents)[:, 2:].abs().max() > 0.5


def test_part_scales_multiply_one_branch_and_divide_the_other(parts, denoiser, small):
    """Their effect on a prediction is that of the formula; ones are as good as none."""
    sampler, layout, told = parts
    scales = PartScales(upper=1.25, lower=0.5)
    scaled = LatentSampler(
        denoiser, small.config("rag_gesture", sampling={"part_scales": scales.model_dump()}).sampling
    )
    told_alone = {"coarse_scale": 0.0, "late_weights": (1.0, 0.0)}  # w = 1: the conditional branch alone
    plain, both = (
        LatentSampler(denoiser, small.config("rag_gesture", sampling={**told_alone, "part_scales": p}).sampling)
        for p in ({}, scales.model_dump())
    )
    x, factor = noise(layout, 3), token_scale(scales, layout)
    with torch.no_grad():
        conditional = plain.predictor(told)(x, 5)
        torch.testing.assert_close(both.predictor(told)(x, 5), conditional * factor)
        assert not torch.allclose(scaled.predictor(told)(x, 5), sampler.predictor(told)(x, 5))
    assert torch.equal(factor[list(layout.separators)], torch.ones(3, 1))
    assert torch.equal(token_scale(PartScales(), layout), torch.ones(layout.tokens, 1))


@pytest.mark.parametrize("sections", ["ddim10", "leading", "fast27", [2, 2]])
def test_every_respacing_samples(denoiser, parts, small, sections):
    _, layout, told = parts
    sampler = LatentSampler(denoiser, small.config("rag_gesture", sampling={"sections": sections}).sampling)
    assert torch.isfinite(sampler.sample(noise(layout), told)).all()
