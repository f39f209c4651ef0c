"""Steps for tests on a cluster: real work of a few tenths of a second in real jobs, and every way to fail."""

import multiprocessing
import os
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection

from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import read_json, write_json
from gesturebench.common.progress import Progress

EXECUTE = "cluster_jobs:execute"
MB = 1 << 20


def step(name: str, *needs: Step, kind: str = "fit", **spec) -> Step:
    return Step(kind, name, {"name": name, **spec}, {need.label: need for need in needs})


def execute(job: Job, progress: Progress) -> None:
    """Behave as `spec` says, then write the sum of what the inputs wrote plus one."""
    job.out.mkdir(parents=True, exist_ok=True)
    job.work.mkdir(parents=True, exist_ok=True)
    progress(0, 1)
    found = BEHAVIOUR[job.spec.get("does", "work")](job, progress)
    total = 1 + sum(read_json(path / "value.json") for path in job.inputs.values())
    write_json(job.out / "value.json", total)
    write_json(
        job.out / "record.json", {"status": "done", "metrics": {}, "batch_divisor": job.batch_divisor, **(found or {})}
    )


def _work(job: Job, progress: Progress) -> None:
    time.sleep(job.spec.get("pause_s", 0.0))


def _fail(job: Job, progress: Progress) -> None:
    raise ValueError("the step broke")


def _die(job: Job, progress: Progress) -> None:
    os.kill(os.getpid(), 9)


def _hog(job: Job, progress: Progress) -> None:
    """Needs `mb` megabytes, or half of it with half the batch; looks every tenth of a second whether it is killed."""
    held = bytearray(job.spec["mb"] * MB // job.batch_divisor)
    held[::4096] = b"x" * len(held[::4096])
    for _ in range(30):
        time.sleep(0.1)


def _train(job: Job, progress: Progress) -> dict:
    """The training loop of the suite on a small network, slow enough to be interrupted; where `spec` names a file to
    linger for, ten times slower until that is there."""
    import torch

    from gesturebench.common.budget import Training
    from gesturebench.common.fitting import FitContext
    from gesturebench.common.training import train

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1))

    def draw(rows: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        lingers = "linger_for" in job.spec and not os.path.exists(job.spec["linger_for"])
        time.sleep(job.spec["pause_s"] * (10 if lingers else 1))
        with open(job.spec["log"], "a") as log:
            log.write(f"{os.environ.get('SLURM_RESTART_COUNT', 0)}\n")
        return {"x": torch.randn(rows, 8, generator=generator)}

    def losses(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": (model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().mean()}

    steps = job.spec["steps"]
    context = FitContext(None, job.out, job.work, progress=progress)
    train(model, draw, losses, Training(steps=steps, batch=32, save_every=10), seed_axes=("x",), context=context)
    return {"weights": [value.flatten().tolist() for value in model.state_dict().values()]}


METHODS = ("fork", "spawn", "forkserver")


def _family(job: Job, progress: Progress) -> None:
    """With children as a data loader has them, each asked for something again and again; notes in `log` which of
    them answer in the beginning, and still do when it is asked to stop or ends."""
    pipes = {}
    for method in METHODS:
        context = multiprocessing.get_context(method)
        pipes[method], theirs = context.Pipe()
        context.Process(target=_echo, args=(theirs,), daemon=True).start()
    _note_living(job, pipes)
    try:
        for done in range(job.spec["steps"]):
            progress(done, job.spec["steps"])
            time.sleep(0.1)
    finally:
        _note_living(job, pipes)


def _note_living(job: Job, pipes: Mapping[str, Connection]) -> None:
    alive = [method for method, pipe in pipes.items() if _answers(pipe)]
    with open(job.spec["log"], "a") as log:
        log.write(f"{' '.join(alive)}\n")


def _echo(pipe: Connection) -> None:
    while True:
        pipe.send(pipe.recv())


def _answers(pipe: Connection) -> bool:
    try:
        pipe.send("are you there?")
        return pipe.poll(20) and pipe.recv() == "are you there?"
    except (OSError, EOFError):
        return False


BEHAVIOUR = {"work": _work, "fail": _fail, "die": _die, "hog": _hog, "train": _train, "family": _family}
