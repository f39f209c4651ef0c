"""The network at inference is the network: equal predictions, whatever the mask, the batch and the timestep."""

import pytest
import torch

from gesturebench.common.nn.packed import bare_norm, joined, lay_out, packed
from gesturebench.methods.rag_gesture.branches import Branches
from gesturebench.methods.rag_gesture.config import ComputeConfig, DenoiserConfig, SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser
from gesturebench.methods.rag_gesture.layout import TokenLayout
from gesturebench.methods.rag_gesture.sampler import LatentSampler
from tests.methods.rag_gesture.random_network import random_denoiser

LAYOUT = TokenLayout(4)
TIMESTEPS = (0, 57, 500, 999)


def network(query_mask: str = "released", layers: int = 3) -> Denoiser:
    config = DenoiserConfig(
        width=24, layers=layers, heads=3, time_width=16, feed_forward=40, speakers=3, query_mask=query_mask
    )
    return random_denoiser(config, LAYOUT)


@pytest.fixture
def told() -> Conditions:
    g = torch.Generator().manual_seed(1)
    return Conditions(torch.randn(2, 20, 6, generator=g), torch.randn(2, 30, 5, generator=g), torch.tensor([2, 0]))


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, LAYOUT.tokens, 8, generator=torch.Generator().manual_seed(2))


def both(model: Denoiser, x: torch.Tensor, t: int, told: Conditions) -> tuple[torch.Tensor, torch.Tensor]:
    styles = model.styles(torch.tensor([t]))
    return model(x, styles, model.answers(told)), model(x, styles, None)


@pytest.mark.parametrize("query_mask", ["none", "separators", "released"])
def test_both_predictions_equal_those_of_the_denoiser(told, x, query_mask):
    model = network(query_mask)
    branches = Branches(model, TIMESTEPS)
    known = branches.told(told)
    for index, t in enumerate(TIMESTEPS):
        for ours, plain in zip(branches(x, index, known), both(model, x, t, told), strict=True):
            torch.testing.assert_close(ours, plain, atol=2e-5, rtol=2e-5)


def test_one_layer_is_enough(told, x):
    model = network(layers=1)
    branches = Branches(model, TIMESTEPS)
    for ours, plain in zip(branches(x, 2, branches.told(told)), both(model, x, 500, told), strict=True):
        torch.testing.assert_close(ours, plain, atol=2e-5, rtol=2e-5)


def test_an_unconditional_prediction_that_is_not_asked_for_is_left_out(told, x):
    branches = Branches(network(), TIMESTEPS)
    known = branches.told(told)
    conditional, nothing = branches(x, 1, known, unconditional=False)
    assert nothing is None
    torch.testing.assert_close(conditional, branches(x, 1, known)[0], atol=1e-5, rtol=1e-5)


def test_a_sampler_that_weighs_it_with_zero_does_not_ask_for_it(told, x, monkeypatch):
    model, asked = network(), []
    plain = Branches.__call__

    def watched(self, *arguments, unconditional: bool = True):
        asked.append(unconditional)
        return plain(self, *arguments, unconditional=unconditional)

    monkeypatch.setattr(Branches, "__call__", watched)
    sampler = LatentSampler(model, SamplingConfig(sections=(2, 2), coarse_scale=0.0, late_weights=(0.5, 0.5)))
    predict = sampler.predictor(told)
    early, late = predict(x, 3), predict(x, 0)
    assert asked == [False, True]
    t = sampler.schedule.timesteps
    torch.testing.assert_close(early, both(model, x, t[3], told)[0], atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(late, sum(both(model, x, t[0], told)) / 2, atol=2e-5, rtol=2e-5)


def test_halves_on_threads_of_their_own_are_the_halves(told, x):
    model, before = network(), torch.get_num_threads()
    branches = Branches(model, TIMESTEPS)
    known = branches.told(told)
    together = branches(x, 1, known)
    try:
        torch.set_num_threads(2)
        apart = branches(x, 1, known)
    finally:
        torch.set_num_threads(before)
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_clips_of_a_batch_know_nothing_of_each_other(told, x):
    branches = Branches(network(), TIMESTEPS)
    together = branches(x, 1, branches.told(told))
    for row in (slice(0, 1), slice(1, 2)):
        alone = branches(x[row], 1, branches.told(told.rows(row)))
        for whole, part in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[row], part, atol=1e-5, rtol=1e-5)


def test_neither_the_network_nor_the_state_is_changed(told, x):
    model, before = network(), x.clone()
    parameters = {name: value.clone() for name, value in model.state_dict().items()}
    branches = Branches(model, TIMESTEPS)
    first = branches(x, 1, known := branches.told(told))
    again = branches(x, 1, known)
    assert torch.equal(x, before)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(value, parameters[name]) for name, value in model.state_dict().items())


def test_bfloat16_rounds_the_products_alone(told, x):
    """Tokens pushed to -10^6 are told apart by steps of 0.06 in float32 and of 8192 in bfloat16: were the sum rounded,
    their normalised values would be lost."""
    model = network()
    exact, rounded = Branches(model, TIMESTEPS), Branches(model, TIMESTEPS, ComputeConfig(precision="bfloat16"))
    precise = exact(x, 1, exact.told(told))
    coarse = rounded(x, 1, rounded.told(told))
    for a, b in zip(precise, coarse, strict=True):
        assert b.dtype == torch.float32
        gap = (a - b).abs().max() / a.abs().max()
        assert 1e-5 < gap < 0.1


def test_the_fingerprint_tells_weights_apart():
    one, same, other = network(), network(), network()
    other.out.bias.add_(1e-6)
    prints = [Branches(model, TIMESTEPS).fingerprint for model in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_laid_out_maps_are_the_maps():
    one, two, x = torch.nn.Linear(5, 7), torch.nn.Linear(5, 3), torch.randn(2, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(packed(one.weight, one.bias)(x), one(x))
        torch.testing.assert_close(joined((one, two))(x), torch.cat((one(x), two(x)), -1))
        y = torch.randn(2, 4, 7)
        torch.testing.assert_close(packed(one.weight).add_to(y.clone(), x), y + x @ one.weight.t())
        normed = bare_norm(x)
    torch.testing.assert_close(normed.mean(-1), torch.zeros(2, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(normed.var(-1, correction=0), torch.ones(2, 4), atol=1e-3, rtol=0)


def test_laying_out_in_place_keeps_names_values_and_results():
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.MultiheadAttention(8, 2)).eval().requires_grad_(False)
    x, before = torch.randn(3, 1, 8), {name: value.clone() for name, value in model.state_dict().items()}
    expected = model[1](x, x, x)[0]
    lay_out(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[0].weight.stride(0) == 1
    torch.testing.assert_close(model[1](x, x, x)[0], expected)
