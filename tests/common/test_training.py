"""Training: resumed equals never stopped, bit for bit; it diverges loudly and leaves the world's dice alone."""

import errno
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from gesturebench.common.budget import Training
from gesturebench.common.errors import InputError
from gesturebench.common.training import CHECKPOINT, train

CONFIG = Training(steps=24, batch=8, lr=1e-2, save_every=4)


class Killed(BaseException):
    """Stands for a process that ends without notice."""


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.3), nn.GELU(), nn.Linear(16, 1))


def losses_of(model: nn.Module, generator: torch.Generator) -> dict[str, torch.Tensor]:
    x = torch.randn(CONFIG.batch, 3, generator=generator)
    error = (model(x)[:, 0] - torch.sin(x.sum(1))).square().mean()
    return {"loss": error, "twice": 2 * error}


def run(work: Path, *, die_at: int | None = None, config: Training = CONFIG, axis: object = 0):
    """Train a fresh network; `die_at` ends it before that step."""
    model, calls = network(), []

    def watched(generator: torch.Generator) -> dict[str, torch.Tensor]:
        if len(calls) == die_at:
            raise Killed
        calls.append(1)
        return losses_of(model, generator)

    work.mkdir(parents=True, exist_ok=True)
    curve = train(model, watched, config, seed_axes=("toy", axis), work=work)
    return model.state_dict(), curve, len(calls)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return run(tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize("die_at", [*range(1, 24, 3), 4, 8, 20])
def test_resumed_after_a_kill_is_bit_equal(tmp_path, straight, die_at):
    with pytest.raises(Killed):
        run(tmp_path, die_at=die_at)
    weights, curve, calls = run(tmp_path)
    saved = die_at // CONFIG.save_every * CONFIG.save_every
    assert calls == CONFIG.steps - saved
    assert curve == straight[1]
    assert all(torch.equal(weights[name], value) for name, value in straight[0].items())


def test_killed_again_and_again(tmp_path, straight):
    for _ in range(5):
        with pytest.raises(Killed):
            run(tmp_path, die_at=4)
    weights, curve, _ = run(tmp_path)
    assert curve == straight[1]
    assert all(torch.equal(weights[name], value) for name, value in straight[0].items())


def test_a_half_written_checkpoint_is_not_there(tmp_path, straight):
    """Checkpoints appear under their name when they are whole; what a kill leaves beside them does not matter."""
    with pytest.raises(Killed):
        run(tmp_path, die_at=9)
    (tmp_path / f"{CHECKPOINT}.part").write_bytes(b"half")
    assert run(tmp_path)[1] == straight[1]


def test_seed_axes_decide_the_run(tmp_path, straight):
    assert run(tmp_path / "again")[1] == straight[1]
    assert run(tmp_path / "other", axis=1)[1] != straight[1]


def test_the_global_generator_is_left_alone(tmp_path):
    """And what it held does not matter."""
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = run(tmp_path / "a")[1]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert run(tmp_path / "b")[1] == first


def test_loss_falls_on_a_toy_problem(tmp_path):
    curve = run(tmp_path, config=CONFIG.updated({"steps": 200}))[1]
    assert curve[-1]["loss"] < 0.6 * curve[0]["loss"]


def test_the_curve_names_its_losses(straight):
    assert [row["step"] for row in straight[1]] == [10, 20, 24]
    for row in straight[1]:
        assert row.keys() == {"step", "loss", "twice"}
        assert row["twice"] == pytest.approx(2 * row["loss"])


def test_divergence_names_step_and_remedy(tmp_path):
    model = network()

    def burst(generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"loss": losses_of(model, generator)["loss"] * float("inf")}

    with pytest.raises(InputError, match=r"training diverged: loss is \w+ at step 10; lower lr \(now 0.01\)"):
        train(model, burst, CONFIG, seed_axes=("toy",), work=tmp_path)


def test_frozen_parameters_stay_and_the_model_ends_in_eval_mode(tmp_path):
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    train(model, partial(losses_of, model), CONFIG, seed_axes=("toy",), work=tmp_path)
    assert torch.equal(model[0].weight, before)
    assert not model.training


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=rf"{CHECKPOINT}: not a readable checkpoint .*delete it"):
        run(tmp_path)


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=rf"{CHECKPOINT}: the disk is full"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == []
