"""Claims: who is working on a step. One file per step, created exclusively; a dead owner's claim is taken over on its
own host."""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gesturebench.common.files import explained


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
class Owner:
    """Who holds a claim: the runner and the worker it gave the step to. Both must be gone before somebody else may
    write there."""

    host: str
    runner: Process
    worker: Process

    @classmethod
    def this(cls, worker_pid: int | None = None) -> "Owner":
        return cls(socket.gethostname(), Process.of(os.getpid()), Process.of(worker_pid or os.getpid()))

    def is_alive(self) -> bool:
        """On this host: whether one of the two runs. On another host nobody can tell, so yes."""
        if self.host != socket.gethostname():
            return True
        return self.runner.is_alive() or self.worker.is_alive()

    def __str__(self) -> str:
        return f"process {self.runner.pid} on {self.host}"


@dataclass(frozen=True)
class Claims:
    """The claims of a run store."""

    runs: Path

    def path(self, key: str) -> Path:
        return self.runs / ".claims" / f"{key}.json"

    def holder(self, key: str) -> Owner | None:
        """The living owner of a step, if any."""
        owner = _read(self.path(key))
        return owner if owner is not None and owner.is_alive() else None

    def take(self, key: str, worker_pid: int | None = None) -> Owner | None:
        """Claim a step; returns None when it is ours now, else its living owner."""
        path, me = self.path(key), Owner.this(worker_pid)
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                if path.exists():
                    owner = self.holder(key)
                    if owner is not None and owner.runner != me.runner:
                        return owner
                    path.unlink(missing_ok=True)
                try:
                    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
                except FileExistsError:
                    return _read(path) or me  # another host was faster by a moment
                with open(descriptor, "w") as file:
                    json.dump(asdict(me), file)
        return None

    def release(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Judging a claim and replacing it is one action among the processes of this host; between hosts O_EXCL
        decides."""
        with open(self.runs / ".claims" / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(path: Path) -> Owner | None:
    """The owner in a claim file; None if there is no file or its writer died before it was written."""
    try:
        values = json.loads(path.read_text())
        return Owner(values["host"], Process(**values["runner"]), Process(**values["worker"]))
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
