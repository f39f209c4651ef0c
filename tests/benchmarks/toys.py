"""Plans and workers for tests of the runner: the same steps, but what they do is a line in a file."""

import os
import signal
import time
from pathlib import Path

from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json, writing
from gesturebench.common.progress import Progress

PARTS = 5


def step(name: str, *needs: Step, kind: str = "fit", **spec) -> Step:
    return Step(kind, name, {"name": name, **spec}, {need.label: need for need in needs})


def execute(job: Job, progress: Progress) -> None:
    """Behave as `spec` says, then write the sum of what the inputs wrote plus one."""
    job.out.mkdir(parents=True, exist_ok=True)
    job.work.mkdir(parents=True, exist_ok=True)
    progress(0, PARTS)
    BEHAVIOUR[job.spec.get("does", "work")](job)
    total = 1 + sum(read_json(path / "value.json") for path in job.inputs.values())
    write_json(job.out / "value.json", total)
    write_json(job.out / "record.json", {"status": "done"})


def _work(job: Job) -> None:
    pass


def _fail(job: Job) -> None:
    raise ValueError("the toy broke")


def _refuse(job: Job) -> None:
    raise InputError("a.npz: no frames", remedy="re-export it")


def _die(job: Job) -> None:
    (job.out / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate(job: Job) -> None:
    with writing(job.work / "half") as part:
        part.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)


def _slow(job: Job) -> None:
    """Parts that survive a kill: each is written once, `log` counts how often any was made."""
    log = Path(job.spec["log"])
    for part in range(PARTS):
        file = job.work / str(part)
        if not file.exists():
            with open(log, "a") as out:
                out.write(f"{part}\n")
            time.sleep(job.spec["pause_s"])
            file.write_text("")


BEHAVIOUR = {"work": _work, "fail": _fail, "refuse": _refuse, "die": _die, "terminate": _terminate, "slow": _slow}
