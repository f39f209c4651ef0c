"""Sampling with control, against a plain restatement of the loop."""

from dataclasses import replace

import pytest
import torch

from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.diffusion import cosine_schedule
from gesturebench.common.diffusion.ddim import move
from gesturebench.methods.exges.config import PRESETS, SamplingConfig
from gesturebench.methods.exges.fitting import build_network
from gesturebench.methods.exges.sampler import ControlledSampler, Told

CONFIG = PRESETS["tiny"]
B, T, F, A, S, N = 2, CONFIG.network.frames, 333, 66, CONFIG.styles, CONFIG.network.seed_frames
DDIM = SamplingConfig(sampler="ddim", steps=4)


def random_network(control: bool) -> CrossLocalDenoiser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return build_network(CONFIG.updated({"control": {"training": control}})).eval()


@pytest.fixture(scope="module")
def network() -> CrossLocalDenoiser:
    return random_network(control=True)


@pytest.fixture(scope="module")
def told() -> Told:
    draw = torch.Generator().manual_seed(4)
    audio, seed, known = (torch.randn(B, *shape, generator=draw) for shape in ((T, A), (N, F), (T, F)))
    mask = torch.zeros(B, T, F, dtype=torch.bool)
    mask[0, [20, 40]] = True
    mask[1, 10:50, 60:90] = True
    return Told(audio, torch.eye(S)[:B], seed, known, mask)


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in range(B)]


def drawn(network: CrossLocalDenoiser, told: Told, config: SamplingConfig = DDIM) -> torch.Tensor:
    return ControlledSampler(network, config).sample(told, generators())


def restated(network: CrossLocalDenoiser, told: Told) -> torch.Tensor:
    """Eq. 8 at every step, the network called as it is trained, DDIM."""
    schedule = cosine_schedule(DDIM.steps)
    x = torch.stack([torch.randn(T, F, generator=generator) for generator in generators()])
    for i in reversed(range(len(schedule))):
        m = told.mask.float()
        x_hat = m * told.known + (1 - m) * x
        t = torch.full((B,), schedule.timesteps[i])
        x0 = network(x_hat, t, told.audio, told.style, told.seed, mask_BTF=told.mask)
        x = move(x, x0, float(schedule.alpha_bar[i]), schedule.previous(i))
    return x


@torch.no_grad()
def test_the_sampler_is_the_loop_of_the_paper(network, told):
    torch.testing.assert_close(drawn(network, told), restated(network, told), rtol=0, atol=1e-4)


def test_what_is_given_changes_the_rest_of_the_window(network, told):
    free = drawn(network, replace(told, mask=torch.zeros_like(told.mask)))
    assert (drawn(network, told) - free)[~told.mask].abs().max() > 1e-3


@pytest.mark.parametrize("when", ["every", "last"])
def test_imposed_values_hold_exactly(network, told, when):
    made = drawn(network, told, SamplingConfig(sampler="ddim", steps=4, hard_impose=when))
    assert torch.equal(made[told.mask], told.known[told.mask])


def test_only_the_last_step_imposes_where_that_is_asked_for(network, told):
    last = drawn(network, told, SamplingConfig(sampler="ddim", steps=4, hard_impose="last"))
    torch.testing.assert_close(last[~told.mask], drawn(network, told)[~told.mask])
    assert not torch.allclose(last[told.mask], drawn(network, told)[told.mask])


def test_a_network_without_control_is_led_by_inpainting(told):
    network = random_network(control=False)
    made = drawn(network, told)
    assert torch.equal(made[told.mask], told.known[told.mask])
    free = drawn(network, replace(told, mask=torch.zeros_like(told.mask)))
    assert (made - free)[~told.mask].abs().max() > 1e-4


def test_guidance_goes_from_deaf_through_heard_to_beyond(network, told):
    one_step = {"sampler": "ddim", "steps": 1}
    at = [drawn(network, told, SamplingConfig(**one_step, w_audio=w)) for w in (0.0, 1.0, 2.0)]
    deaf = drawn(network, replace(told, audio=torch.zeros_like(told.audio)), SamplingConfig(**one_step))
    torch.testing.assert_close(at[0], deaf)
    torch.testing.assert_close(at[2] - at[1], at[1] - at[0], rtol=0, atol=1e-5)
    assert (at[1] - at[0]).abs().max() > 1e-3


def test_rows_do_not_know_of_each_other(network, told):
    one = Told(*(part[1:] for part in vars(told).values()))
    alone = ControlledSampler(network, DDIM).sample(one, generators()[1:])
    torch.testing.assert_close(drawn(network, told)[1:], alone, rtol=0, atol=1e-5)


def test_ancestral_sampling_takes_all_steps(network, told):
    steps: list[int] = []
    short = Told(told.audio[:, :15], told.style, told.seed, told.known[:, :15], told.mask[:, :15])
    sampler = ControlledSampler(network, SamplingConfig(sampler="ddpm"))
    made = sampler.sample(short, generators(), steps.append)
    assert steps == list(range(999, -1, -1))
    assert made.isfinite().all()
