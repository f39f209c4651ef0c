"""Parts of a batch, reduced precision, optimisers, learning rates and the moving average, beside plain restatements."""

import copy
import math

import pytest
import torch
from torch import nn

from gesturebench.common.averaging import MovingAverage
from gesturebench.common.budget import Training
from gesturebench.common.distributed import Ranks
from gesturebench.common.errors import InputError
from gesturebench.common.optimisation import Optimisation


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 16), nn.GELU(), nn.Linear(16, 1))


def inputs(rows: int = 12) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(rows, 3, generator=torch.Generator().manual_seed(1))}


def losses_of(model: nn.Module, scale: float = 1.0):
    def losses(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": scale * (model(batch["x"])[:, 0] - batch["x"].sum(1)).square().mean()}

    return losses


def gradients(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("count", [2, 3, 12])
def test_parts_add_up_to_the_gradient_of_the_whole(count):
    whole, parts = network(), network()
    one = Optimisation(whole, Training(batch=12), Ranks())
    several = Optimisation(parts, Training(batch=12, accumulate=count), Ranks())
    loss = one.backward(losses_of(whole), inputs())["loss"]
    rows = inputs()["x"].chunk(count)
    shares = [several.backward(losses_of(parts), {"x": part})["loss"] for part in rows]
    assert sum(shares).item() == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(gradients(parts), gradients(whole), rtol=1e-5, atol=1e-7)


def test_a_new_step_forgets_the_gradient_of_the_last():
    model = network()
    optimisation = Optimisation(model, Training(batch=12), Ranks())
    found = []
    for _ in range(2):
        optimisation.clear()
        optimisation.backward(losses_of(model), inputs())
        found.append(gradients(model))
    assert torch.equal(*found)


def steps(config: Training, model: nn.Module, count: int, scale: float = 1.0) -> Optimisation:
    optimisation = Optimisation(model, config, Ranks())
    for _ in range(count):
        optimisation.clear()
        optimisation.backward(losses_of(model, scale), inputs())
        optimisation.step()
    return optimisation


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_is_close_and_keeps_float32_weights(precision):
    exact, reduced = network(), network()
    config = Training(batch=12, steps=5, lr=1e-2)
    steps(config, exact, 5)
    steps(config.updated({"precision": precision}), reduced, 5)
    for a, b in zip(exact.parameters(), reduced.parameters(), strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(b, a, rtol=0, atol=2e-2)
    assert any(not torch.equal(a, b) for a, b in zip(exact.parameters(), reduced.parameters(), strict=True))


def test_an_overflow_in_float16_costs_a_step_and_halves_the_scale():
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]
    optimisation = steps(Training(batch=12, precision="float16", ema=0.9), model, 1, scale=1e6)
    assert optimisation.skipped == 1
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    state = optimisation.state_dict()
    assert state["scaler"]["scale"] == 2.0**15
    assert (state["schedule"]["last_epoch"], state["average"]["steps"]) == (0, 0)
    goes_on = Optimisation(network(), optimisation.config, Ranks())
    goes_on.load_state_dict(state)
    assert goes_on.state_dict()["scaler"] == state["scaler"]
    assert goes_on.skipped == 1


def test_adam_with_a_cosine_over_more_steps_than_are_taken():
    """Restated: bias-corrected moments, decoupled decay, lr at step k of K between lr and lr * final_lr."""
    model = network()
    config = Training(batch=12, steps=4, decay_steps=10, lr=1e-2, final_lr=0.1, clip_norm=None, optimizer="adamw",
                      betas=(0.9, 0.95), weight_decay=0.01)  # fmt: skip
    plain = copy.deepcopy(model)
    steps(config, model, 4)
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in plain.parameters()]
    for k in range(4):
        lr = 1e-3 + (1e-2 - 1e-3) * (1 + math.cos(math.pi * k / 10)) / 2
        plain.zero_grad()
        losses_of(plain)(inputs())["loss"].backward()
        with torch.no_grad():
            for p, (m, v) in zip(plain.parameters(), moments, strict=True):
                m.mul_(0.9).add_(0.1 * p.grad)
                v.mul_(0.95).add_(0.05 * p.grad**2)
                p.mul_(1 - lr * 0.01)
                p.sub_(lr * (m / (1 - 0.9 ** (k + 1))) / ((v / (1 - 0.95 ** (k + 1))).sqrt() + 1e-8))
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def rates(config: Training) -> list[float]:
    """The learning rate of every step."""
    optimisation = Optimisation(network(), config, Ranks())
    found = []
    for _ in range(config.steps):
        found.append(optimisation.state_dict()["optimizer"]["param_groups"][0]["lr"])
        optimisation.clear()
        optimisation.backward(losses_of(optimisation.model), inputs())
        optimisation.step()
    return found


@pytest.mark.parametrize(("decay_steps", "before"), [(3, 3), (1, 1), (7, 7), (8, 7), (None, 7)])
def test_a_rate_that_falls_at_once_falls_once(decay_steps, before):
    config = Training(batch=12, steps=7, lr=1e-2, final_lr=0.1, decay="step", decay_steps=decay_steps)
    assert rates(config) == pytest.approx([1e-2] * before + [1e-3] * (7 - before))


def test_the_kind_of_decay_is_no_part_of_a_key_where_it_is_the_cosine():
    cosine, step = Training(), Training(decay="step", decay_steps=5)
    assert "decay" not in cosine.model_dump(mode="json")
    assert Training.parse(cosine.model_dump(mode="json")) == cosine
    assert step.model_dump(mode="json")["decay"] == "step"
    assert Training.parse(step.model_dump(mode="json")) == step
    assert cosine.updated({"decay": "step", "decay_steps": 5}) == step


@pytest.mark.parametrize("decay", ["cosine", "step"])
def test_a_rate_that_warms_up_rises_in_a_straight_line_to_its_decay(decay):
    config = Training(batch=12, steps=8, lr=1e-2, final_lr=0.1, decay=decay, decay_steps=8)
    plain, warm = rates(config), rates(config.updated({"warmup": 4}))
    assert warm[0] == pytest.approx(1e-3)
    for k in range(4):
        assert warm[k] - 1e-3 == pytest.approx(k / 4 * (plain[k] - 1e-3))
    assert warm[4:] == pytest.approx(plain[4:])


def test_a_warm_up_goes_on_where_it_was():
    config = Training(batch=12, steps=8, lr=1e-2, warmup=4)
    whole, before, after = (Optimisation(network(), config, Ranks()) for _ in range(3))
    for optimisation, count in ((whole, 6), (before, 2)):
        for _ in range(count):
            _take_step(optimisation)
    after.load_state_dict(before.state_dict())
    for _ in range(4):
        _take_step(after)
    for a, b in zip(whole.model.parameters(), after.model.parameters(), strict=True):
        assert torch.equal(a, b)


def _take_step(optimisation: Optimisation) -> None:
    optimisation.clear()
    optimisation.backward(losses_of(optimisation.model), inputs())
    optimisation.step()


def test_what_is_the_rule_is_no_part_of_a_key():
    plain, warm = Training(), Training(warmup=5)
    assert "warmup" not in plain.model_dump(mode="json")
    assert warm.model_dump(mode="json")["warmup"] == 5
    assert Training.parse(plain.model_dump(mode="json")) == plain


def test_the_average_forgets_the_beginning_soon_and_then_remembers_by_its_decay():
    (weight,) = [nn.Parameter(torch.zeros(1))]
    average, expected = MovingAverage([weight], 0.5), 0.0
    for n, value in enumerate((1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)):
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
        weight.data.fill_(value)
        average.update()
    average.take_over()
    assert weight.item() == pytest.approx(expected, rel=1e-6)


def test_the_average_is_the_result():
    config = Training(batch=12, steps=6, lr=1e-2, ema=0.9)
    model, plain = network(), network()
    optimisation = steps(config, model, 6)
    last = [parameter.clone() for parameter in model.parameters()]
    optimisation.finish()
    steps(config.updated({"ema": None}), plain, 6)
    assert all(torch.equal(a, b) for a, b in zip(last, plain.parameters(), strict=True)), "averaging changes no step"
    assert not any(torch.equal(a, b) for a, b in zip(last, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"batch": 12, "processes": 2, "accumulate": 4}, r"a share of the batch \(6\) that has 4 equal parts"),
        ({"steps": 10, "decay_steps": 9}, r"decay_steps \(9\) not below steps \(10\)"),
        ({"precision": "bfloat"}, "unknown value of training.precision 'bfloat'.*did you mean 'bfloat16'"),
        ({"ema": 1.0}, "training.ema = 1.0; expected less than 1"),
    ],
)
def test_what_cannot_be_is_refused(values, says):
    with pytest.raises(InputError, match=says):
        Training.parse(values, "training")


def test_less_memory_is_a_smaller_part():
    config = Training(batch=32, processes=2, accumulate=4)
    assert (config.divided(2).batch, config.divided(2).accumulate) == (16, 4)
    assert config.divided(100).batch == 8
