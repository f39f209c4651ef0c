"""Who works on a step: a process that cannot be mistaken for another, and the job it belongs to."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number: `started` in clock ticks since boot (0
    where unknown)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        return cls(pid, _stat(pid)[1])

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie that nobody has collected does not."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        state, started = _stat(self.pid)
        return state not in ("Z", "X") and started == self.started


def _stat(pid: int) -> tuple[str, int]:
    """State letter and start time from /proc; ("?", 0) on systems without it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "?", 0
    return fields[0], int(fields[19])


@dataclass(frozen=True)
class SlurmJob:
    """The Slurm job this process is part of: its id as people write it ("12_3" in an array), the node, and how often it
    was requeued."""

    id: str
    node: str | None
    life: int

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "SlurmJob | None":
        """From the variables that Slurm sets; None outside a job."""
        if "SLURM_JOB_ID" not in environment:
            return None
        array, element = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
        name = f"{array}_{element}" if array and element else environment["SLURM_JOB_ID"]
        return cls(name, environment.get("SLURMD_NODENAME"), int(environment.get("SLURM_RESTART_COUNT") or 0))


def element_of(job_id: str) -> int:
    """The number in its array, 0 for a job that is in none.

    >>> element_of("12_3"), element_of("12")
    (3, 0)
    """
    return int(job_id.partition("_")[2] or 0)


@cache
def this_host() -> str:
    """The name under which process numbers mean something: host, boot and process namespace, as two containers may
    share a name and a host may have been restarted."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}/{space}"


@dataclass(frozen=True)
class Owner:
    """Who holds a claim: the runner and the worker it gave the step to. Both must be gone before somebody else may
    write there."""

    host: str
    runner: Process
    worker: Process
    job: str | None = None
    node: str | None = None

    @classmethod
    def this(cls, worker_pid: int | None = None) -> "Owner":
        job = SlurmJob.of()
        processes = Process.of(os.getpid()), Process.of(worker_pid or os.getpid())
        return cls(this_host(), *processes, job and job.id, job and job.node)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "Owner":
        """The inverse of `dataclasses.asdict`."""
        processes = Process(**values["runner"]), Process(**values["worker"])
        return cls(values["host"], *processes, values.get("job"), values.get("node"))

    @property
    def is_here(self) -> bool:
        """Whether its processes can be looked at from here."""
        return self.host == this_host()

    def runs(self) -> bool:
        """Whether one of its processes does; only their own host knows."""
        return self.runner.is_alive() or self.worker.is_alive()

    def __str__(self) -> str:
        host = self.host.partition("/")[0]
        return f"job {self.job} on {self.node or host}" if self.job else f"process {self.runner.pid} on {host}"
