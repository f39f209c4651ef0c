"""Submission of one array through submitit: the script, the flags, and the call of sbatch."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gesturebench.common.errors import InputError
from gesturebench.slurm.client import Refused, call, failure
from gesturebench.slurm.packs import Array
from gesturebench.slurm.payload import Payload
from gesturebench.slurm.profile import Profile, Request

JOBS = "jobs"
"""Folder of scripts, pickles and Slurm's logs inside a submission."""


_ON_FIRST_NODE = ("--nodes=1", "--ntasks=1")
"""A job of several machines has one runner; a training that uses the others starts its processes there itself."""


def submit_array(array: Array, number: int, folder: Path, profile: Profile, dependency: str) -> str:
    """Hand an array to Slurm and return the job id. `Refused` is Slurm's no, after `Unreachable` the array may have
    been accepted."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    with _outside_any_job(profile.environment):
        executor = _executor(folder / JOBS, profile, parameters(array.request, profile, array.name, dependency))
        try:
            jobs = executor.map_array(Payload(folder, number), range(len(array.packs)))
        except (FailedJobError, FailedSubmissionError) as error:
            raise failure(_reason(str(error))) from error
    return jobs[0].job_id.partition("_")[0]


def check_requests(requests: list[Request], profile: Profile) -> None:
    """Ask Slurm whether it would take such jobs, before anything is submitted."""
    for request in requests:
        try:
            call("sbatch", "--test-only", *_flags(parameters(request, profile, "test", "")), "--wrap", "true")
        except Refused as error:
            raise InputError(
                f"Slurm refuses jobs with {_words(request)}: {error}",
                expected="resources that this cluster grants",
                remedy="correct the profile or the grid's resources",
            ) from error


def parameters(request: Request, profile: Profile, name: str, dependency: str) -> dict[str, Any]:
    """The parameters of `submitit.SlurmExecutor`. The time limit is a whole number of minutes: as text submitit takes
    it, and then cannot tell a time limit from a preemption."""
    options: dict[str, Any] = {"kill-on-invalid-dep": "yes"} if dependency else {}
    found = {
        "job_name": name,
        "time": request.minutes,
        "nodes": request.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": request.cpus,
        "mem": f"{int(request.mem_gb * 1024)}MB",
        "gpus_per_node": request.gpus or None,
        "partition": request.partition,
        "account": request.account,
        "qos": request.qos,
        "gres": request.gres,
        "constraint": request.constraint,
        "exclude": ",".join(profile.exclude) or None,
        "dependency": dependency or None,
        "signal_delay_s": profile.signal_delay_s,
        "array_parallelism": profile.array_parallelism,
        "setup": list(profile.setup) or None,
        "srun_args": ["--kill-on-bad-exit=1", *_ON_FIRST_NODE] if request.nodes > 1 else ["--kill-on-bad-exit=1"],
        "additional_parameters": {"requeue": True, **options, **request.options},
    }
    return {key: value for key, value in found.items() if value is not None}


def _flags(found: Mapping[str, Any]) -> list[str]:
    """The same parameters as flags of sbatch, those apart that are about arrays, signals and the script."""
    script = {"job_name", "setup", "srun_args", "array_parallelism", "signal_delay_s", "additional_parameters"}
    plain = {key: value for key, value in found.items() if key not in script} | found["additional_parameters"]
    return [f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}") for key, value in plain.items()]


def _executor(folder: Path, profile: Profile, found: dict[str, Any]):
    from submitit import SlurmExecutor

    python = shlex.quote(profile.python or sys.executable)
    # USR2 is ignored by the shell, hence by python until `start` has blocked it: unhandled it would kill the job.
    shell = f"trap '' USR2; exec {python} -u -m gesturebench.slurm.start \"$@\""
    executor = SlurmExecutor(folder=folder, python=f"bash -c {shlex.quote(shell)} --")
    executor.update_parameters(**found)
    return executor


@contextlib.contextmanager
def _outside_any_job(environment: Mapping[str, str]) -> Iterator[None]:
    """The environment that the jobs inherit: ours without what belongs to a job we may be in, but with the place of
    Slurm's configuration."""
    from submitit.helpers import clean_env

    kept = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    before = {name: os.environ.get(name) for name in environment}
    with clean_env():
        os.environ.update(kept | dict(environment))
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _reason(text: str) -> str:
    """sbatch's own words in submitit's report of them."""
    lines = [line for line in text.splitlines() if "error:" in line]
    return " ".join(line.partition("error:")[2].strip() for line in lines) or text


def _words(request: Request) -> str:
    values = request.model_dump(exclude_none=True, exclude_defaults=True)
    return ", ".join(f"{name} {value}" for name, value in values.items())
