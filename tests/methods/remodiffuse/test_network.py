"""The network's ears: what the prompt's bit gates, and what each way of hearing audio adds."""

import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.methods.remodiffuse.conditions import Conditions, audio_width
from gesturebench.methods.remodiffuse.config import PRESETS
from gesturebench.methods.remodiffuse.fitting import build_network, denoising_losses, diffusion_draws
from gesturebench.methods.remodiffuse.motion import motion_width
from gesturebench.methods.remodiffuse.patches import patched, patched_mask, unpatched
from gesturebench.methods.remodiffuse.sampler import MixedSampler
from gesturebench.methods.remodiffuse.samples import Samples

ROWS, WORDS = 3, 64


def small(**overrides):
    """A network whose zero-initialised layers are not zero."""
    config = PRESETS["tiny"].updated({"motion": {"frames": 30}, "sampling": {"overlap": 5}, **overrides})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(config)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return config, network.eval().requires_grad_(False)


def inputs(config, seed=0):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=draw)

    frames, tokens = config.motion.frames, config.conditions.text.tokens
    told = Conditions(
        normal(ROWS, tokens, WORDS), normal(ROWS, frames, audio_width(config.conditions)), torch.tensor([0, 3, 3])
    )
    width = motion_width(config.motion.expressions)
    samples = Samples(
        normal(ROWS, 2, frames, width), (normal(ROWS, 2, frames) > 0).float(), normal(ROWS, 2, tokens, WORDS)
    )
    return normal(ROWS, frames, width), told, samples


def run(config, network, x, told, samples, speech=True, retrieval=True):
    t = torch.tensor([5, 300, 900])
    flags = (torch.full((ROWS,), flag) for flag in (speech, retrieval))
    return network(x, t, told, samples, *flags, torch.ones(ROWS, config.motion.frames))


@pytest.mark.parametrize("injection", ["none", "tokens", "frames", "both"])
def test_without_the_prompts_bit_nothing_of_the_speech_is_known(injection):
    config, network = small(conditions={"audio_injection": injection})
    x, told, samples = inputs(config)
    _, other, _ = inputs(config, seed=1)
    silent = [run(config, network, x, each, samples, speech=False) for each in (told, other)]
    assert torch.equal(*silent)
    assert not torch.equal(*(run(config, network, x, each, samples) for each in (told, other)))


@pytest.mark.parametrize("injection", ["none", "tokens", "frames", "both"])
def test_audio_is_heard_only_where_it_is_injected(injection):
    config, network = small(conditions={"audio_injection": injection})
    x, told, samples = inputs(config)
    deaf = Conditions(told.text, torch.zeros_like(told.audio), told.speaker)
    same = torch.equal(run(config, network, x, told, samples), run(config, network, x, deaf, samples))
    assert same == (injection == "none")


def test_audio_frames_act_on_their_own_frame_first():
    """A change of the sound of frame 7 reaches token 1 of five frames each, and no other."""
    config, network = small(conditions={"audio_injection": "frames"})
    _, told, _ = inputs(config)
    louder = told.audio.clone()
    louder[:, 7] += 1
    difference = network.extra(Conditions(told.text, louder, told.speaker)) - network.extra(told)
    assert difference.shape[1] == 30 // config.motion.patch == 6
    assert difference[:, 1].abs().min() > 0
    assert not difference[:, [0, 2, 3, 4, 5]].any()


def test_without_the_retrieval_bit_nothing_retrieved_is_known():
    config, network = small()
    x, told, samples = inputs(config)
    _, _, other = inputs(config, seed=1)
    without = [run(config, network, x, told, each, retrieval=False) for each in (samples, other)]
    assert torch.equal(*without)
    assert (without[0] - run(config, network, x, told, None, retrieval=False)).abs().max() < 1e-5
    assert not torch.equal(*(run(config, network, x, told, each) for each in (samples, other)))


def test_speakers_are_told_unless_left_out():
    config, network = small()
    x, told, samples = inputs(config)
    stranger = Conditions(told.text, told.audio, told.speaker + 1)
    pair = [run(config, network, x, each, samples, speech=False) for each in (told, stranger)]
    assert not torch.equal(*pair)
    config, network = small(conditions={"speaker": "none"})
    pair = [run(config, network, x, each, samples) for each in (told, stranger)]
    assert torch.equal(*pair)


@pytest.mark.parametrize(("attention", "patch"), [("linear", 1), ("linear", 5), ("softmax", 3)])
def test_branches_of_the_sampler_are_those_of_training(attention, patch):
    config, network = small(denoiser={"attention": attention}, motion={"frames": 30, "patch": patch})
    x, told, samples = inputs(config)
    if attention == "softmax":
        samples = None
    sampler = MixedSampler(network, config.sampling)
    step = 4
    found = sampler.branches(told, samples).predict(x, step, ("both", "text", "retr", "none"))
    t = torch.full((ROWS,), sampler.schedule.timesteps[step])
    mask = torch.ones(ROWS, config.motion.frames)
    for name, (speech, retrieval) in {"both": (1, 1), "text": (1, 0), "retr": (0, 1), "none": (0, 0)}.items():
        flags = (torch.full((ROWS,), bool(flag)) for flag in (speech, retrieval))
        expected = network(x, t, told, samples, *flags, mask)
        assert (found[name] - expected).abs().max() < 1e-5 * max(1, float(expected.abs().max()))


def test_conditions_are_dropped_independently():
    config = PRESETS["tiny"]
    dropping = config.dropping.model_copy(update={"speech": 0.3, "retrieval": 0.2})
    draws = diffusion_draws(torch.zeros(20_000, 1, 1), dropping, torch.Generator().manual_seed(0))
    told, retrieved = draws["speech"], draws["retrieval"]
    assert abs(float((~told).float().mean()) - 0.3) < 0.02
    assert abs(float((~retrieved).float().mean()) - 0.2) < 0.02
    assert abs(float((~told & ~retrieved).float().mean()) - 0.06) < 0.01
    assert draws["t"].min() == 0
    assert draws["t"].max() == 999


def test_patches_and_back():
    x = torch.randn(2, 3, 30, 7)
    tokens = patched(x, 5)
    assert tokens.shape == (2, 3, 6, 35)
    assert torch.equal(unpatched(tokens, 5), x)
    assert torch.equal(tokens[..., 1, 7:14], x[..., 6, :])
    mask = torch.arange(30) < 11
    assert patched_mask(mask, 5).tolist() == [True, True, True, False, False, False]


def test_windows_are_whole_patches():
    with pytest.raises(InputError, match="whole patches of 7"):
        PRESETS["tiny"].updated({"motion": {"patch": 7}})


def test_padding_does_not_count_in_the_loss():
    config, network = small()
    x, told, samples = inputs(config)
    mask = torch.ones(ROWS, 30)
    mask[:, 20:] = 0
    batch = {"x0": x, "mask": mask, **vars(told), **{f"sample_{k}": v for k, v in vars(samples).items()}}
    batch |= diffusion_draws(x, config.dropping, torch.Generator().manual_seed(1))
    other = {**batch, "x0": torch.where(mask[..., None] > 0, x, torch.full_like(x, 9.0))}
    first, second = (denoising_losses(network, each) for each in (batch, other))
    assert {"loss", "root", "contact"} == first.keys()
    for name in first:
        assert abs(float(first[name] - second[name])) < 1e-5
