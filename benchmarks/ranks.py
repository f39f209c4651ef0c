"""Training on several processes (ranks): how the worker that executes a `fit` step starts, watches and ends them.

Every rank runs the same fit on the same job. They and the worker talk through files in a folder below the job's `work`,
which all machines of a job see: `task` what to do, `<rank>.here` a rank's process, `progress` of the first, `stop` the
worker's wish that they stop, `<rank>.ended` how each ended.
"""

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.owner import Process, this_host
from gesturebench.common.errors import InputError
from gesturebench.common.files import explained
from gesturebench.common.processes import RANKS, PeerLost, require_accelerate
from gesturebench.common.progress import Progress, Stopped

POLL_S = 0.2
GRACE_S = 3.0
"""What the others are given to end by themselves when one has failed; one that waits for it inside a collective
operation may never."""


@dataclass(frozen=True)
class Task:
    """What the ranks are to do, and the worker they must not outlive where they can see it."""

    job: Job
    host: str
    worker: Process


@dataclass(frozen=True)
class Ended:
    """How a rank ended, `at` seconds since 1970."""

    outcome: Literal["done", "stopped", "failed"]
    at: float
    error: Exception | None = None
    traceback: str = ""


def fit_on_ranks(job: Job, processes: int, progress: Progress) -> None:
    """Fit the job on that many processes; what the first one makes lies in `job.out`. Raises what a rank raised, or
    `PeerLost` if one ended without a word."""
    require_accelerate()
    for stale in job.work.glob("ranks.*"):  # of lives before this one
        shutil.rmtree(stale, ignore_errors=True)
    folder = job.work / f"ranks.{uuid.uuid4().hex[:8]}"
    with explained(folder):
        folder.mkdir(parents=True)
        (folder / "task").write_bytes(pickle.dumps(Task(job, this_host(), Process.of(os.getpid()))))
    try:
        with _launched(command(processes, folder), processes) as launcher:
            dead = _watch(launcher, folder, processes, progress)
        _conclude(folder, processes, dead, launcher.returncode)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def command(processes: int, folder: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What starts the ranks: `accelerate launch` on this machine, or on each machine of a Slurm job through `srun`."""
    machines = int(environment.get("SLURM_JOB_NUM_NODES") or 1)
    if processes % machines:
        raise InputError(
            f"{processes} training processes on {machines} machines",
            expected="equally many on each",
            remedy="ask for other resources (nodes), or change training.processes",
        )
    options = [
        "--multi_gpu",  # stands for "on several processes"; which device they use is for them to say
        *("--num_processes", str(processes)),
        *("--num_machines", str(machines)),
        *("--num_cpu_threads_per_process", environment.get("OMP_NUM_THREADS", "1")),
        *("--mixed_precision", "no", "--dynamo_backend", "no"),
    ]
    rank = ["--module", "gesturebench.benchmarks.rank", str(folder)]
    launch = [sys.executable, "-m", "accelerate.commands.launch"]
    if machines == 1:
        return [*launch, *options, "--main_process_port", "0", *rank]
    return [*_srun(machines, environment), *launch, *options, *_meeting_place(environment), *rank]


def _srun(machines: int, environment: Mapping[str, str]) -> list[str]:
    """A task on each machine of the job, beside the one that asks for it, sharing all that the job has (`--overlap`,
    `--mem=0`). Tasks do not inherit our signal mask: the shell has USR2 ignored until ranks can block it. It also knows
    what only the task knows."""
    cpus = environment.get("SLURM_CPUS_PER_TASK")
    here = '--machine_rank "$SLURM_NODEID" --main_process_ip "$SLURM_LAUNCH_NODE_IPADDR"'
    return [
        *("srun", "--overlap", "--mem=0", "--unbuffered", "--kill-on-bad-exit=1"),
        *(f"--nodes={machines}", f"--ntasks={machines}", "--ntasks-per-node=1"),
        *([f"--cpus-per-task={cpus}"] if cpus else []),
        *("sh", "-c", f'trap "" USR2; python=$1 module=$3; shift 3; exec "$python" -m "$module" {here} "$@"', "sh"),
    ]


def _meeting_place(environment: Mapping[str, str]) -> list[str]:
    """A port that two jobs on one machine hardly share, known to all machines of a job without asking."""
    return ["--main_process_port", str(20_000 + int(environment["SLURM_JOB_ID"]) % 20_000)]


@contextlib.contextmanager
def _launched(words: list[str], processes: int) -> Iterator[subprocess.Popen]:
    """The launcher in a session of its own; nothing of it is left when the block ends."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_CPU_BIND")}
    environment = {**ours, RANKS: str(processes), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    launcher = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield launcher
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(launcher.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                launcher.wait(GRACE_S)


def _watch(launcher: subprocess.Popen, folder: Path, processes: int, progress: Progress) -> list[int]:
    """Pass on progress and the wish to stop until all have ended, or one has failed and the others had their time.
    Returns the ranks that were first seen to have died without a word."""
    dead: list[int] = []
    deadline = None
    while launcher.poll() is None and (deadline is None or time.monotonic() < deadline):
        with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(POLL_S)
        try:
            progress(*_read_progress(folder))
        except Stopped:
            (folder / "stop").touch()
        if deadline is None:
            dead = [rank for rank in range(processes) if _died(folder, rank)]
            failed = [rank for rank in range(processes) if (end := ended(folder, rank)) and end.outcome == "failed"]
            deadline = time.monotonic() + GRACE_S if dead or failed else None
    return dead


def _read_progress(folder: Path) -> tuple[int, int]:
    try:
        return tuple(json.loads((folder / "progress").read_text()))
    except FileNotFoundError:
        return 0, 1


def _died(folder: Path, rank: int) -> bool:
    """Whether a rank of this host is gone without having said how."""
    process = _process(folder, rank)
    return process is not None and not process.is_alive() and ended(folder, rank) is None


def _process(folder: Path, rank: int) -> Process | None:
    """The process of a rank that has started on this host."""
    try:
        host, pid, started = json.loads((folder / f"{rank}.here").read_text())
    except FileNotFoundError:
        return None
    return Process(pid, started) if host == this_host() else None


def ended(folder: Path, rank: int) -> Ended | None:
    """How a rank ended; None if it has not, or has not said so."""
    try:
        return pickle.loads((folder / f"{rank}.ended").read_bytes())
    except FileNotFoundError:
        return None


def _conclude(folder: Path, processes: int, dead: list[int], exit_code: int | None) -> None:
    """Raise the cause if they did not all succeed: the first failure that is not the loss of another rank."""
    ends = {rank: ended(folder, rank) for rank in range(processes)}
    known = sorted((end for end in ends.values() if end is not None), key=lambda end: end.at)
    for end in known:
        if end.outcome == "failed" and not isinstance(end.error, PeerLost):
            end.error.add_note(end.traceback)
            raise end.error
    if any(end.outcome == "stopped" for end in known):
        raise Stopped
    if not any((folder / f"{rank}.here").exists() for rank in ends):
        raise PeerLost(f"no training process of {processes} has started (launcher: exit code {exit_code})")
    silent = dead or [rank for rank, end in ends.items() if end is None]
    if silent:
        names = ", ".join(map(str, silent))
        raise PeerLost(f"training process {names} of {processes} was killed: it ended without a word")
    for end in known:
        if end.outcome == "failed":
            raise end.error
