"""Plans and workers for tests of the runner: the same steps, but what they do is a line in a file."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from gesturebench.benchmarks.attempts import Attempt
from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json, writing
from gesturebench.common.progress import Progress

PARTS = 5


def step(name: str, *needs: Step, kind: str = "fit", **spec) -> Step:
    return Step(kind, name, {"name": name, **spec}, {need.label: need for need in needs})


def attempt(**changes) -> Attempt:
    """An attempt that has not ended, on no node, changed so."""
    return replace(Attempt("k", "n", "fit", "l", 0.0, "h", None, None, 0, 1), **changes)


def execute(job: Job, progress: Progress) -> None:
    """Behave as `spec` says, then write the sum of what the inputs wrote plus one."""
    job.out.mkdir(parents=True, exist_ok=True)
    job.work.mkdir(parents=True, exist_ok=True)
    progress(0, PARTS)
    BEHAVIOUR[job.spec.get("does", "work")](job, progress)
    total = 1 + sum(read_json(path / "value.json") for path in job.inputs.values())
    write_json(job.out / "value.json", total)
    write_json(job.out / "record.json", {"status": "done", "metrics": {"value": total}})


def _work(job: Job, progress: Progress) -> None:
    pass


def _fail(job: Job, progress: Progress) -> None:
    raise ValueError("the toy broke")


def _refuse(job: Job, progress: Progress) -> None:
    raise InputError("a.npz: no frames", remedy="re-export it")


def _die(job: Job, progress: Progress) -> None:
    (job.out / "half").write_text("half")
    print("about to die")
    os.kill(os.getpid(), signal.SIGKILL)


def _die_once(job: Job, progress: Progress) -> None:
    if not (job.work / "died").exists():
        (job.work / "died").write_text("")
        _die(job, progress)


def _terminate(job: Job, progress: Progress) -> None:
    with writing(job.work / "half") as part:
        part.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)


def _slow(job: Job, progress: Progress) -> None:
    """Parts that survive a kill: each is written once, `log` counts how often any was made."""
    log = Path(job.spec["log"])
    for part in range(PARTS):
        progress(part, PARTS)
        file = job.work / str(part)
        if not file.exists():
            with open(log, "a") as out:
                out.write(f"{part}\n")
            time.sleep(job.spec["pause_s"])
            file.write_text("")


def _sleep(job: Job, progress: Progress) -> None:
    """Hears nothing for a long time."""
    Path(job.spec["log"]).write_text(str(os.getpid()))
    time.sleep(60)


def _hunger(job: Job, progress: Progress) -> None:
    """Enough memory for half of the batch, or never; `work` holds what the attempt before left there."""
    seen = [path.name for path in job.work.iterdir()]
    (job.work / f"by {job.batch_divisor}").write_text("")
    print(seen)
    if job.batch_divisor == 1 or job.spec.get("always"):
        raise MemoryError("8 GiB")


def _devour(job: Job, progress: Progress) -> None:
    """Take memory until somebody ends it."""
    taken = []
    while True:
        taken.append(bytearray(b"x") * 2**24)


def _talk(job: Job, progress: Progress) -> None:
    """By every way there is to stdout and stderr."""
    print("from python")
    os.write(2, b"from c\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)


def _bear(job: Job, progress: Progress) -> None:
    """Children, as data loaders have them, that hear the signal that asks this process to stop."""
    for way in ("fork", "spawn"):
        child = multiprocessing.get_context(way).Process(target=time.sleep, args=(0.2,))
        child.start()
        os.kill(child.pid, signal.SIGUSR2)
        child.join()
        if child.exitcode != 0:
            raise RuntimeError(f"{way}: {child.exitcode}")


def _beaten(job: Job, progress: Progress) -> None:
    """Another run finishes the same step meanwhile; then this one ends, well or not."""
    final = job.out.parents[2] / job.kind / job.key
    write_json(final / "value.json", 100)
    write_json(final / "record.json", {"status": "done", "metrics": {}})
    if job.spec.get("fails"):
        raise ValueError("what it was reading is gone")


BEHAVIOUR = {
    "work": _work, "fail": _fail, "refuse": _refuse, "die": _die, "die once": _die_once, "terminate": _terminate,
    "slow": _slow, "sleep": _sleep, "hunger": _hunger, "devour": _devour, "talk": _talk, "bear": _bear,
    "beaten": _beaten,
}  # fmt: skip
