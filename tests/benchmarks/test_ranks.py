"""Training on two real processes (CPU, gloo), through the step executor."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gesturebench.benchmarks import steps
from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.ranks import command
from gesturebench.common.budget import Training, processes_of
from gesturebench.common.checkpoint import WEIGHTS
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import build_store
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.fitting import CURVE
from gesturebench.common.processes import PeerLost
from gesturebench.common.progress import Stopped, silent
from gesturebench.common.resuming import checkpoints
from gesturebench.common.seeds import seed_of, torch_generator
from gesturebench.common.training import TRAINING
from tests.benchmarks import toy_fit

TRAIN = {"steps": 60, "batch": 8, "lr": 1e-2, "save_every": 1000, "processes": 2}
VAE = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 24, "chunk": 5, "decoder_depth": "as_encoder",
       "pre_norm": True}  # fmt: skip
HANDS = {
    "codec": {"vae": VAE, "frames": 30, "posterior": "mean", "velocity": 0, "acceleration": 0, "training": TRAIN},
    "part": "hands",
}
PART_VAE = "gesturebench.common.codecs.part_codec:fit_part_vae"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    corpus, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    generate_corpus(StandinPreset(speakers=1, clips=3, sentences=1, test_share=0.34, val_share=0.33), corpus, workers=1)
    build_store(corpus, out)
    return out


def job(folder: Path, store: Path, fit: str, config: dict) -> Job:
    spec = {"fit": fit, "config": config, "seed": 0}
    return Job("fit", "key", "label", spec, {}, {"store": store}, {"store": "k"}, folder / "out", folder / "work")


def pids(work: Path) -> dict[int, int]:
    """Process numbers by rank, of those that have started."""
    return {int(path.stem): json.loads(path.read_text())[1] for path in work.glob("ranks.*/*.here")}


@pytest.fixture(scope="module")
def straight(store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    steps.execute(job(folder, store, PART_VAE, HANDS), silent)
    return folder


def test_two_processes_leave_one_artifact(straight):
    curve = read_json(straight / "out" / CURVE)
    assert [row["step"] for row in curve] == [10, 20, 30, 40, 50, 60]
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]
    took = read_json(straight / "out" / TRAINING)
    assert (took["steps"], took["batch"], took["processes"]) == (60, 8, 2)
    assert (straight / "out" / WEIGHTS).is_file()
    assert not list((straight / "work").glob("ranks.*"))


def test_stopped_in_the_middle_it_ends_in_the_same_bits(store, straight, tmp_path):
    heard = []

    def stop(done: int, total: int) -> None:
        heard.append((done, total))
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        steps.execute(job(tmp_path, store, PART_VAE, HANDS), stop)
    assert not (tmp_path / "out" / "record.json").exists()
    (saved,) = checkpoints(tmp_path / "work")
    assert 0 < int(saved.stem.partition("-")[2]) <= 60
    steps.execute(job(tmp_path, store, PART_VAE, HANDS), silent)
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == (straight / "out" / WEIGHTS).read_bytes()
    assert read_json(tmp_path / "out" / CURVE) == read_json(straight / "out" / CURVE)


def test_gradients_are_those_of_the_whole_batch(store, tmp_path):
    steps.execute(job(tmp_path, store, "toy_fit:gradients", {"training": TRAIN}), silent)
    found = read_json(tmp_path / "out" / "found.json")
    assert found["error"] < 1e-6 < 1e-2 < found["size"]
    assert found["spread"] == 0, "gradients differ between the two"
    assert found["any"] == [True, False]
    assert found["first"] == 0
    assert found["started"] == [0.0, 0.0]


def two_halves_in_parts(config: Training) -> dict[str, torch.Tensor]:
    """The average of the weights of `toy_fit` after a training on two processes, taken by one: each draws half of the
    batch with its own seeds and adds up the gradients of its parts; the mean of both is the step's."""
    model = toy_fit.network().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps, config.lr * config.final_lr)
    average = [parameter.detach().clone() for parameter in model.parameters()]
    for step in range(config.steps):
        sides = []
        for rank in range(2):
            axes = ("toy", step, "rank", rank)
            model.zero_grad()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_of("dropout", *axes))
                for part in toy_fit.inputs(config.rows, torch_generator("step", *axes)).chunk(config.accumulate):
                    (toy_fit.losses(model, part)["loss"] / config.accumulate).backward()
            sides.append([parameter.grad for parameter in model.parameters()])
        for parameter, left, right in zip(model.parameters(), *sides, strict=True):
            parameter.grad = (left + right) / 2
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        schedule.step()
        decay = min(config.ema, (1 + step) / (10 + step))
        for mean, parameter in zip(average, model.parameters(), strict=True):
            mean.lerp_(parameter.detach(), 1 - decay)
    return dict(zip(model.state_dict(), average, strict=True))


def test_parts_and_average_on_two_processes_are_what_they_should_be(store, tmp_path):
    """Stopped once on the way, and to the bit."""
    config = {**TRAIN, "steps": 100, "accumulate": 2, "ema": 0.8}
    slow = {"training": config, "pause_s": 0.02}
    heard = []

    def stop(done: int, total: int) -> None:
        heard.append(done)
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        steps.execute(job(tmp_path, store, "toy_fit:fit", slow), stop)
    assert 0 < heard[-1] < 100
    steps.execute(job(tmp_path, store, "toy_fit:fit", slow), silent)
    expected = two_halves_in_parts(Training.parse(config, "training"))
    found = load_file(tmp_path / "out" / WEIGHTS)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_killed_process_ends_all(store, tmp_path):
    started = {}

    def kill(done: int, total: int) -> None:
        if done and not started:
            started.update(pids(tmp_path / "work"))
            os.kill(started[1], signal.SIGKILL)

    patient = {"training": {**TRAIN, "steps": 100_000}}
    with pytest.raises(PeerLost, match="training process 1 of 2 was killed"):
        steps.execute(job(tmp_path, store, "toy_fit:fit", patient), kill)
    for pid in started.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_failure_of_one_is_the_failure_of_the_step(store, tmp_path):
    with pytest.raises(ValueError, match="rank 1 broke") as caught:
        steps.execute(job(tmp_path, store, "toy_fit:fit", {"training": TRAIN, "fails": 1}), silent)
    assert "toy_fit.py" in caught.value.__notes__[0], "the traceback of the process where it happened"


def test_the_nearest_training_section_counts():
    assert processes_of(HANDS) == 2
    assert processes_of({"codec": {"training": TRAIN}, "training": {"steps": 3}}) == 1
    assert processes_of({"part": "face"}) == 1


def test_one_machine_needs_no_srun(tmp_path):
    words = command(2, tmp_path, {})
    assert words[1:3] == ["-m", "accelerate.commands.launch"]
    assert words[words.index("--num_machines") + 1] == "1"


def test_machines_of_a_job_meet_at_its_port(tmp_path):
    words = command(4, tmp_path, {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "41234", "SLURM_CPUS_PER_TASK": "3"})
    assert words[0] == "srun"
    assert {"--nodes=2", "--ntasks=2", "--cpus-per-task=3", "--overlap"} <= set(words)
    assert words[words.index("--num_processes") + 1] == "4"
    assert words[words.index("--main_process_port") + 1] == "21234"
    with pytest.raises(InputError, match="3 training processes on 2 machines"):
        command(3, tmp_path, {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "1"})
