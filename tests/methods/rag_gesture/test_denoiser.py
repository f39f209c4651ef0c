"""The denoiser: what is precomputed is exact, masked tokens are not looked at, losses are what they say."""

import numpy as np
import pytest
import torch

from gesturebench.common.diffusion.schedule import add_noise, scaled_linear_betas
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.rag_gesture.config import DenoiserConfig, PartWeights
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser
from gesturebench.methods.rag_gesture.fitting import denoising_losses, diffusion_draws
from gesturebench.methods.rag_gesture.layout import TokenLayout
from tests.methods.rag_gesture.random_network import random_denoiser

LAYOUT = TokenLayout(4)
ALPHA_BAR = torch.from_numpy(np.cumprod(1 - scaled_linear_betas()))


@pytest.fixture
def denoiser() -> Denoiser:
    config = DenoiserConfig(width=16, layers=2, heads=2, time_width=16, feed_forward=24, speakers=3)
    return random_denoiser(config, LAYOUT)


@pytest.fixture
def told() -> Conditions:
    g = torch.Generator().manual_seed(1)
    speaker = torch.tensor([0, 2, 1])
    return Conditions(torch.randn(3, 20, 6, generator=g), torch.randn(3, 20, 5, generator=g), speaker)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, LAYOUT.tokens, 8, generator=torch.Generator().manual_seed(2))


def test_dropped_conditions_are_the_unconditional_branch(denoiser, told, x):
    styles = denoiser.styles(torch.tensor([500]))
    keep = torch.tensor([1.0, 0.0, 1.0])
    mixed = denoiser(x, styles, denoiser.answers(told, keep))
    told_all, told_none = denoiser(x, styles, denoiser.answers(told)), denoiser(x, styles, None)
    torch.testing.assert_close(mixed[[0, 2]], told_all[[0, 2]], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixed[1], told_none[1], atol=1e-5, rtol=1e-5)
    assert (told_all - told_none).abs().max() > 0.1


def test_rows_of_a_batch_know_nothing_of_each_other(denoiser, told, x):
    t = torch.tensor([3, 400, 900])
    together = denoiser(x, denoiser.styles(t), denoiser.answers(told))
    for k in range(3):
        row = slice(k, k + 1)
        alone = denoiser(x[row], denoiser.styles(t[row]), denoiser.answers(told.rows(row)))
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-5)


def test_separators_are_not_looked_at(denoiser, told, x):
    styles, answers = denoiser.styles(torch.tensor([500])), denoiser.answers(told)
    changed = x.clone()
    changed[:, list(LAYOUT.separators)] += 5
    latents = LAYOUT.mask().bool()
    before, after = denoiser(x, styles, answers), denoiser(changed, styles, answers)
    torch.testing.assert_close(before[:, latents], after[:, latents], atol=1e-5, rtol=1e-5)
    assert (before - after)[:, ~latents].abs().max() > 0.01


@pytest.mark.parametrize("what", ["text", "audio", "speaker"])
def test_every_condition_is_heard(denoiser, told, x, what):
    styles = denoiser.styles(torch.tensor([500]))
    values = {name: getattr(told, name) for name in ("text", "audio", "speaker")}
    values[what] = values[what].flip(0)
    other = Conditions(**values)
    difference = denoiser(x, styles, denoiser.answers(told)) - denoiser(x, styles, denoiser.answers(other))
    assert difference[0].abs().max() > 1e-3


def test_time_of_a_word_matters_only_with_positions(told, x):
    shifted = Conditions(told.text.roll(5, 1), told.audio, told.speaker)
    for positions in (True, False):
        config = DenoiserConfig(width=16, layers=1, heads=2, time_width=16, feed_forward=24)
        model = Denoiser(config, LAYOUT, latent=8, text=6, audio=5, positions=positions).requires_grad_(False)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(parameter.numel()))
        styles = model.styles(torch.tensor([500]))
        gap = (model(x, styles, model.answers(told)) - model(x, styles, model.answers(shifted))).abs().max()
        assert (gap > 1e-3) == positions


def test_losses_are_the_mean_squared_error_of_latents(denoiser, told, x):
    """Restated token by token, with the same draws in the same order."""
    draws = diffusion_draws(x, 0.5, torch.Generator().manual_seed(3))
    losses = denoising_losses(denoiser, {"x0": x, **vars(told), **draws}, PartWeights())
    g = torch.Generator().manual_seed(3)
    t = torch.randint(1000, (3,), generator=g)
    noise, keep = torch.randn(x.shape, generator=g), torch.rand(3, generator=g) >= 0.5
    x_t = torch.stack([add_noise(x[k], noise[k], float(ALPHA_BAR[t[k]])) for k in range(3)])
    guess = denoiser(x_t, denoiser.styles(t), denoiser.answers(told, keep))
    for name, rows, true in zip(PART_NAMES, LAYOUT.split(guess), LAYOUT.split(x), strict=True):
        torch.testing.assert_close(losses[name], (rows - true).square().mean())
    parts = torch.stack([losses[name] for name in PART_NAMES])
    torch.testing.assert_close(losses["loss"], parts.mean())


@pytest.mark.parametrize("slots", [1, 4, 10])
def test_layout_splits_what_it_joins(slots):
    layout = TokenLayout(slots)
    parts = [torch.randn(2, slots, 3) for _ in range(4)]
    tokens = layout.join(parts)
    assert tokens.shape == (2, layout.tokens, 3)
    assert all(torch.equal(a, b) for a, b in zip(layout.split(tokens), parts, strict=True))
    assert not tokens[:, list(layout.separators)].any()
    assert layout.mask().sum() == 4 * slots


def test_query_masks():
    layout = TokenLayout(10)
    assert layout.query_mask("none") is None
    assert (layout.query_mask("released") == 0).nonzero().flatten().tolist() == [10, 20, 30]
    assert torch.equal(layout.query_mask("separators"), layout.mask())
