"""Attempts: every try at a step leaves a file, written when it starts and again when it ends, so that no end of any
process leaves nothing behind."""

import os
import socket
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

from gesturebench.benchmarks.failure import FailureKind
from gesturebench.benchmarks.owner import SlurmJob
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json

Result = Literal["done"] | FailureKind
"""How an attempt ended. "done" is the one whose result was published: there is at most one for a step."""


@dataclass(frozen=True)
class Attempt:
    """One try at a step. `started` and `ended` in seconds since 1970, `node` and `job` (Slurm's id, "12_3") None
    outside Slurm, `life` how often that job had been requeued, `progress` done and total as last heard of, `final` if
    the step had failed for good with it, `remark` what its runner knew that a reader should know."""

    key: str
    nonce: str
    kind: str
    label: str
    started: float
    host: str
    node: str | None
    job: str | None
    life: int
    pid: int
    batch_divisor: int = 1
    ended: float | None = None
    outcome: Result | None = None
    message: str = ""
    progress: tuple[int, int] | None = None
    final: bool = False
    remark: str = ""

    @classmethod
    def parse(cls, values: dict) -> "Attempt":
        known = {field.name for field in fields(cls)}
        attempt = cls(**{name: value for name, value in values.items() if name in known})
        return replace(attempt, progress=attempt.progress and tuple(attempt.progress))


@dataclass(frozen=True)
class Attempts:
    """The attempts of a run store, `.attempts/<key>/<nonce>.json`, with the log of each beside it. `remark` is put into
    those that begin here."""

    runs: Path
    remark: str = ""

    def folder(self, key: str) -> Path:
        return self.runs / ".attempts" / key

    def path(self, attempt: Attempt) -> Path:
        return self.folder(attempt.key) / f"{attempt.nonce}.json"

    def log(self, attempt: Attempt) -> Path:
        """What the step said on stdout and stderr; absent once it has ended without saying anything."""
        return self.path(attempt).with_suffix(".log")

    def begin(self, step: Step, batch_divisor: int = 1) -> Attempt:
        """Note that a try starts now, in this process."""
        job = SlurmJob.of()
        attempt = Attempt(
            step.key, uuid.uuid4().hex[:12], step.kind, step.label, time.time(), socket.gethostname(),
            job and job.node, job and job.id, job.life if job else 0, os.getpid(), batch_divisor,
            remark=self.remark,
        )  # fmt: skip
        self._write(attempt)
        return attempt

    def note(self, attempt: Attempt, progress: tuple[int, int]) -> Attempt:
        """Keep how far it is, for the case that nobody lives to say how it ended."""
        attempt = replace(attempt, progress=progress)
        self._write(attempt)
        return attempt

    def end(
        self,
        attempt: Attempt,
        outcome: Result,
        message: str = "",
        progress: tuple[int, int] | None = None,
        final: bool = False,
    ) -> Attempt:
        """Note how it ended; `final` if the step will not be tried again by itself."""
        attempt = replace(
            attempt,
            ended=time.time(),
            outcome=outcome,
            message=message,
            progress=progress or attempt.progress,
            final=final,
        )
        self._write(attempt)
        return attempt

    def of(self, key: str) -> list[Attempt]:
        """All attempts at a step in order of time; a file that cannot be read is left out: no result hangs on it."""
        found = []
        for path in self.folder(key).glob("*.json"):
            try:
                found.append(Attempt.parse(read_json(path)))
            except (InputError, TypeError, AttributeError):
                continue
        return sorted(found, key=lambda attempt: (attempt.started, attempt.nonce))

    def _write(self, attempt: Attempt) -> None:
        write_json(self.path(attempt), asdict(attempt))


def recent(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Those since the step last failed for good: who runs it again by hand grants it all its tries anew."""
    attempts = list(attempts)
    ends = [place for place, attempt in enumerate(attempts) if attempt.final]
    return attempts[ends[-1] + 1 :] if ends else attempts
