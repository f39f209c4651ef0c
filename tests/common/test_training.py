"""Training: resumed equals never stopped, bit for bit; it diverges loudly and leaves the world's dice alone."""

import errno
import hashlib
import logging
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from gesturebench.common.budget import Training
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.fitting import CURVE, FitContext
from gesturebench.common.progress import Stopped, silent
from gesturebench.common.resuming import checkpoints
from gesturebench.common.training import TRAINING, train

CONFIG = Training(steps=24, batch=8, lr=1e-2, save_every=4)


class Killed(BaseException):
    """Stands for a process that ends without notice."""


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.3), nn.GELU(), nn.Linear(16, 1))


def drawn(rows: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(rows, 3, generator=generator)}


def losses_of(model: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    x = batch["x"]
    error = (model(x)[:, 0] - torch.sin(x.sum(1))).square().mean()
    return {"loss": error, "twice": 2 * error}


def context_in(work: Path, progress=silent, divisor: int = 1) -> FitContext:
    work.mkdir(parents=True, exist_ok=True)
    return FitContext(None, work / "out", work, progress=progress, batch_divisor=divisor)


def run(work: Path, *, die_at: int | None = None, config: Training = CONFIG, axis: object = 0, **surroundings):
    """Train a fresh network; `die_at` ends it before that step."""
    model, calls = network(), []

    def watched(rows: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        if len(calls) == die_at:
            raise Killed
        calls.append(rows)
        return drawn(rows, generator)

    context = context_in(work, **surroundings)
    curve = train(model, watched, partial(losses_of, model), config, seed_axes=("toy", axis), context=context)
    return model.state_dict(), curve, calls


def digest(weights: dict[str, torch.Tensor]) -> str:
    whole = b"".join(name.encode() + value.numpy().tobytes() for name, value in sorted(weights.items()))
    return hashlib.sha256(whole).hexdigest()


def stop_at(step: int):
    """A progress that asks to stop when this step is done."""

    def progress(done: int, total: int) -> None:
        if done == step:
            raise Stopped

    return progress


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return run(tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize("die_at", [*range(1, 24, 3), 4, 8, 20])
def test_resumed_after_a_kill_is_bit_equal(tmp_path, straight, die_at):
    with pytest.raises(Killed):
        run(tmp_path, die_at=die_at)
    weights, curve, calls = run(tmp_path)
    saved = die_at // CONFIG.save_every * CONFIG.save_every
    assert len(calls) == CONFIG.steps - saved
    assert curve == straight[1]
    assert digest(weights) == digest(straight[0])


@pytest.mark.parametrize("step", [1, 2, 8, 13, 23, 24])
def test_stopped_it_saves_that_very_step_and_goes_on_in_the_same_bits(tmp_path, straight, step):
    with pytest.raises(Stopped):
        run(tmp_path, progress=stop_at(step))
    assert not (tmp_path / "out" / CURVE).exists()
    weights, curve, calls = run(tmp_path)
    assert len(calls) == CONFIG.steps - step
    assert curve == straight[1]
    assert digest(weights) == digest(straight[0])


def test_stopped_after_every_single_step(tmp_path, straight):
    for step in range(1, CONFIG.steps + 1):
        with pytest.raises(Stopped):
            run(tmp_path, progress=stop_at(step))
    weights, curve, calls = run(tmp_path)
    assert not calls
    assert curve == straight[1]
    assert digest(weights) == digest(straight[0])


def test_progress_is_called_after_every_step(tmp_path):
    heard = []
    run(tmp_path, progress=lambda *numbers: heard.append(numbers))
    assert heard == [(step, CONFIG.steps) for step in range(1, CONFIG.steps + 1)]


def test_killed_again_and_again(tmp_path, straight):
    for _ in range(5):
        with pytest.raises(Killed):
            run(tmp_path, die_at=4)
    weights, curve, _ = run(tmp_path)
    assert curve == straight[1]
    assert digest(weights) == digest(straight[0])


def test_wall_time_calls_for_a_checkpoint_too(tmp_path):
    """A limit so short that every step exceeds it."""
    hasty = CONFIG.updated({"save_every": 1000, "save_minutes": 1e-9})
    with pytest.raises(Killed):
        run(tmp_path, die_at=7, config=hasty)
    assert len(run(tmp_path, config=hasty)[2]) == CONFIG.steps - 7


def test_the_last_two_checkpoints_are_kept_and_the_older_one_stands_in(tmp_path, straight, caplog):
    with pytest.raises(Killed):
        run(tmp_path, die_at=15)
    newest, before = checkpoints(tmp_path)
    assert (newest.name, before.name) == ("checkpoint-000000012.pt", "checkpoint-000000008.pt")
    newest.write_bytes(newest.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING):
        weights, curve, calls = run(tmp_path)
    assert f"{newest}: not a readable checkpoint" in caplog.text
    assert len(calls) == CONFIG.steps - 8
    assert curve == straight[1]
    assert digest(weights) == digest(straight[0])


def test_a_half_written_checkpoint_is_not_there(tmp_path, straight):
    """Checkpoints appear under their name when they are whole; what a kill leaves beside them does not matter."""
    with pytest.raises(Killed):
        run(tmp_path, die_at=9)
    (tmp_path / ".checkpoint-000000012.pt.0a1b2c3d.part").write_bytes(b"half")
    assert run(tmp_path)[1] == straight[1]


@pytest.mark.parametrize("count", [1, 2])
def test_damaged_checkpoints_are_named_and_never_passed_over(tmp_path, count):
    for step in range(count):
        (tmp_path / f"checkpoint-00000000{step}.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"checkpoint-\d+.pt: not a readable checkpoint.*delete it"):
        run(tmp_path)
    assert len(checkpoints(tmp_path)) == count


def test_a_smaller_batch_starts_over_and_is_the_smaller_batch_throughout(tmp_path, caplog):
    with pytest.raises(Killed):
        run(tmp_path / "a", die_at=9)
    weights, curve, calls = run(tmp_path / "a", divisor=2)
    assert calls == [CONFIG.batch // 2] * CONFIG.steps
    assert "the training starts over" in caplog.text
    plain = run(tmp_path / "b", config=CONFIG.updated({"batch": CONFIG.batch // 2}))
    assert curve == plain[1]
    assert digest(weights) == digest(plain[0])


def test_a_batch_is_divided_down_to_one_row(tmp_path):
    assert set(run(tmp_path, divisor=100)[2]) == {1}


def test_processes_share_a_batch_equally():
    assert Training(batch=32, processes=4).rows == 8
    assert Training(batch=32, processes=4).divided(3).batch == 8
    with pytest.raises(InputError, match=r"a batch \(32\) that 3 processes can share equally"):
        Training.parse({"batch": 32, "processes": 3}, "training")


def test_several_processes_are_not_to_be_had_by_calling(tmp_path):
    with pytest.raises(InputError, match=r"a training on 2 processes was started on 1; expected .*let the runner"):
        run(tmp_path, config=CONFIG.updated({"processes": 2}))


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


def test_curve_and_what_it_took_lie_in_the_artifact(tmp_path):
    curve = run(tmp_path)[1]
    assert read_json(tmp_path / "out" / CURVE) == curve
    took = read_json(tmp_path / "out" / TRAINING)
    assert (took["steps"], took["batch"], took["processes"], took["device"]) == (24, 8, 1, "cpu")
    assert 0 < took["seconds_per_step"] < 60
    assert took["peak_memory_mb"] > 10


def test_divergence_names_step_and_remedy(tmp_path):
    model = network()

    def burst(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": losses_of(model, batch)["loss"] * float("inf")}

    with pytest.raises(InputError, match=r"training diverged: loss is \w+ at step 10; lower lr \(now 0.01\)"):
        train(model, drawn, burst, CONFIG, seed_axes=("toy",), context=context_in(tmp_path))


def test_frozen_parameters_stay_and_the_model_ends_in_eval_mode(tmp_path):
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    train(model, drawn, partial(losses_of, model), CONFIG, seed_axes=("toy",), context=context_in(tmp_path))
    assert torch.equal(model[0].weight, before)
    assert not model.training


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"checkpoint-\d+.pt: the disk is full"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == []
