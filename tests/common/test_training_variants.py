"""Parts, averages and reduced precision go through stops and kills as plain training does: in the same bits."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from gesturebench.common.budget import Training
from gesturebench.common.files import read_json
from gesturebench.common.fitting import CURVE, FitContext
from gesturebench.common.progress import Stopped, silent
from gesturebench.common.resuming import checkpoints
from gesturebench.common.training import TRAINING, train

PLAIN = Training(steps=24, batch=8, lr=1e-2, save_every=4)
VARIANTS = {
    "parts": PLAIN.updated({"accumulate": 4}),
    "average": PLAIN.updated({"ema": 0.9}),
    "bfloat16": PLAIN.updated({"precision": "bfloat16"}),
    "float16": PLAIN.updated({"precision": "float16"}),
    "all": PLAIN.updated({"accumulate": 2, "ema": 0.9, "precision": "float16", "optimizer": "adamw"}),
}


class Killed(BaseException):
    """Stands for a process that ends without notice."""


class Network(nn.Module):
    """With dropout, and a buffer that learns, as running codebooks do."""

    def __init__(self, dropout: float = 0.3):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(3, 16), nn.Dropout(dropout), nn.GELU(), nn.Linear(16, 1))
        self.register_buffer("seen", torch.zeros(3))

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        x = batch["x"]
        self.seen.add_(x.sum(0))
        error = (self.layers(x)[:, 0] - torch.sin(x.sum(1))).square().mean()
        return {"loss": error, "twice": 2 * error}


def draw(rows: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(rows, 3, generator=generator)}


def run(work: Path, config: Training, *, die_at: int | None = None, progress=silent, dropout: float = 0.3):
    """Train a fresh network; `die_at` ends it before that part of a batch. Returns a digest of its state, its curve and
    the number of parts."""
    model, parts = Network(dropout), []

    def watched(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if len(parts) == die_at:
            raise Killed
        parts.append(len(batch["x"]))
        return model.losses(batch)

    work.mkdir(parents=True, exist_ok=True)
    context = FitContext(None, work / "out", work, progress=progress)
    curve = train(model, draw, watched, config, seed_axes=("toy",), context=context)
    state = b"".join(name.encode() + value.numpy().tobytes() for name, value in sorted(model.state_dict().items()))
    return hashlib.sha256(state).hexdigest(), curve, parts


def stop_at_call(number: int):
    """A progress that asks to stop when it is called for the `number`th time."""
    calls = []

    def progress(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == number:
            raise Stopped

    return progress


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return {name: run(tmp_path_factory.mktemp(name), config) for name, config in VARIANTS.items()}


@pytest.mark.parametrize("die_at", [1, 9, 21])
@pytest.mark.parametrize("name", VARIANTS)
def test_resumed_after_a_kill_is_bit_equal(tmp_path, straight, name, die_at):
    with pytest.raises(Killed):
        run(tmp_path, VARIANTS[name], die_at=die_at)
    assert run(tmp_path, VARIANTS[name])[:2] == straight[name][:2]


@pytest.mark.parametrize("call", [1, 3, 4, 6, 95, 96])
def test_stopped_inside_an_accumulation_it_saves_the_last_whole_step(tmp_path, straight, call):
    """Progress is called after each of the four parts; the fourth time the step is done."""
    with pytest.raises(Stopped):
        run(tmp_path, VARIANTS["parts"], progress=stop_at_call(call))
    assert checkpoints(tmp_path)[0].name == f"checkpoint-{call // 4:09d}.pt"
    digest, curve, parts = run(tmp_path, VARIANTS["parts"])
    assert parts == [2] * 4 * (24 - call // 4)
    assert (digest, curve) == straight["parts"][:2]


def test_stopped_again_and_again_between_parts(tmp_path, straight):
    for call in (7, 1, 8, 9, 2):
        with pytest.raises(Stopped):
            run(tmp_path, VARIANTS["all"], progress=stop_at_call(call))
    assert run(tmp_path, VARIANTS["all"])[:2] == straight["all"][:2]


def test_parts_are_the_same_training_up_to_rounding(tmp_path):
    """The same draws in parts; dropout, which no draw decides, is off."""
    curves = [
        run(tmp_path / str(count), PLAIN.updated({"accumulate": count}), dropout=0.0)[1] for count in (1, 2, 4, 8)
    ]
    for curve in curves[1:]:
        assert [row["step"] for row in curve] == [10, 20, 24]
        for row, whole in zip(curve, curves[0], strict=True):
            assert row == pytest.approx(whole, rel=1e-4)


def test_other_parts_do_not_go_on_from_a_checkpoint(tmp_path, caplog):
    with pytest.raises(Killed):
        run(tmp_path, PLAIN, die_at=9)
    run(tmp_path, VARIANTS["parts"])
    assert "the training starts over" in caplog.text


def test_the_record_says_how_fast_and_how(tmp_path):
    """The first scale of float16 is a power of two that one of the first steps overflows with."""
    run(tmp_path, VARIANTS["all"])
    took = read_json(tmp_path / "out" / TRAINING)
    assert (took["accumulate"], took["precision"], took["skipped_steps"]) == (2, "float16", 1)
    assert took["windows_per_s"] == pytest.approx(8 / took["seconds_per_step"])
    assert 0 < took["drawing_share"] < 1
    assert took["settled_step"] in {row["step"] for row in read_json(tmp_path / "out" / CURVE)}
