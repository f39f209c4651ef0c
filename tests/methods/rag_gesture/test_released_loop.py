"""The guidance loop of the published code has no effect: written out with its gradients, and beside our mode
`released`, which leaves it out.
"""

import pytest
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.diffusion.guidance import iterations
from gesturebench.methods.rag_gesture.conditions import SpeechConditions
from gesturebench.methods.rag_gesture.config import GuidanceConfig
from gesturebench.methods.rag_gesture.fitting import build_denoiser
from gesturebench.methods.rag_gesture.sampler import LatentSampler
from gesturebench.methods.rag_gesture.steering import Insertion, Outpainting, carried, steered

LR = 0.1


def as_released(
    predict, schedule, start: Tensor, inverted: Tensor, counts: list[int], noise: Tensor, in_seq: Tensor | None
) -> Tensor:
    """The published loop in plain words. `inverted` (S, B, T, L) is zero where nothing was retrieved, `in_seq`
    (B, T, L) holds the end of the window before, `noise` (S, B, T, L) is drawn anew at every step.
    """
    x, steps = start, len(schedule)
    for index in reversed(range(steps)):
        if index < steps - 1:
            target = inverted[index]
            mask = target.ne(0).any(-1, keepdim=True)
            for _ in range(counts[index]):
                x = x.detach().requires_grad_(True)
                with torch.enable_grad():
                    gap = torch.nn.functional.mse_loss(x * mask, target)
                x = x - LR * torch.autograd.grad(gap, x)[0]
            in_seq = target  # the variable that carries the window before is taken over: all that follows from it
        alpha_bar = torch.tensor(schedule.alpha_bar[index])
        if in_seq is not None:
            known = in_seq.ne(0).any(-1, keepdim=True)
            noised = alpha_bar.sqrt().float() * in_seq + (1 - alpha_bar).sqrt().float() * noise[index]
            x = torch.where(known, noised, x)
        x0 = predict(x, index)
        eps = ((1 / alpha_bar).sqrt().float() * x - x0) / (1 / alpha_bar - 1).sqrt().float()
        before = torch.tensor(schedule.previous(index), dtype=torch.float64)
        x = (before.sqrt().float() * x0 + (1 - before).sqrt().float() * eps).detach()
    return x


@pytest.fixture(scope="module")
def scene(small, store):
    """(sampler, conditions, start noise, insertion, noise per step, carry) of two windows; the second one retrieved at
    the slots where the window before goes on, too."""
    config = small.config("rag_gesture")
    denoiser, layout = build_denoiser(config)
    load_weights(denoiser.requires_grad_(False), small.artifacts("rag_gesture")["denoiser"])
    sampler = LatentSampler(denoiser, config.sampling)
    told = SpeechConditions(store.speech(store.split("test")[0]), config.conditions).window(0, 120).repeat(2)
    g = torch.Generator().manual_seed(0)
    shape = (2, layout.tokens, config.codec.vae.width)
    levels = sampler.invert(torch.randn(shape, generator=g), told)
    mask = torch.zeros(*shape[:2], 1, dtype=torch.bool)
    mask[0, layout.tokens_of(3, 6)] = True
    mask[1, layout.tokens_of(0, 4)] = True
    noise = torch.randn(len(sampler.schedule), *shape, generator=g)
    before = carried(torch.randn(shape, generator=g), layout, 1)
    start = torch.randn(shape, generator=g)
    return sampler, told, start, Insertion(levels * mask, mask), noise, Outpainting(*before, noise, sampler.schedule)


@pytest.mark.parametrize("continues", [False, True])
@torch.no_grad()
def test_the_schedule_of_updates_changes_not_one_bit(scene, continues):
    """No update, ten at every step, and the schedule that is said to be the best one: the same sample. Ours equals it
    without any."""
    sampler, told, start, insertion, noise, carry = scene
    predict, schedule = sampler.predictor(told), sampler.schedule
    in_seq, inverted = None, insertion.levels[1:].clone()
    if continues:
        in_seq = carry.latents
        inverted[:, carry.mask[..., 0]] = 0  # as released: what is carried is not guided
    begun = insertion.initialise(start)
    found = {
        name: as_released(predict, schedule, begun, inverted, iterations(name, len(schedule)), noise, in_seq)
        for name in ("all_zero", "all_10", "decreasing_till_25")
    }
    assert torch.equal(found["all_zero"], found["all_10"])
    assert torch.equal(found["all_zero"], found["decreasing_till_25"])
    ours, changes = steered(
        start,
        schedule,
        GuidanceConfig(mode="released"),
        insertion=insertion,
        carry=carry if continues else None,
        fresh_SBTL=noise,
    )
    torch.testing.assert_close(sampler.sample(ours, told, changes), found["all_zero"], atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_what_acts_is_the_overwriting(scene):
    """With other noise for it the sample is another, though the start and all weights are the same; in mode `paper`,
    where the updates are not discarded, the schedule decides."""
    sampler, told, start, insertion, noise, _ = scene

    def sample(fresh=None, **guidance) -> Tensor:
        begun, changes = steered(
            start, sampler.schedule, GuidanceConfig(**guidance), insertion=insertion, fresh_SBTL=fresh
        )
        return sampler.sample(begun, told, changes)

    first, second = sample(noise, mode="released"), sample(noise.flip(0), mode="released")
    assert (first - second).abs().max() > 0.01
    none, ten = (sample(mode="paper", schedule=name) for name in ("all_zero", "all_10"))
    assert (none - ten).abs().max() > 0.01
    assert torch.equal(none, sample(mode="none"))
