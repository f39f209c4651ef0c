"""What has become of a step, read from the run store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json

Status = Literal["done", "running", "failed", "missing"]

RECORD, PER_CLIP, MOTIONS = "record.json", "per_clip.json", "motions"
"""Names inside an artifact: its passport, a score clip by clip, the folder of generated motion."""


@dataclass(frozen=True)
class RunStore:
    """A folder of artifacts, `runs/<kind>/<key>/`."""

    runs: Path

    def is_done(self, step: Step) -> bool:
        return (step.folder(self.runs) / RECORD).is_file()

    def record(self, step: Step) -> dict[str, Any]:
        return read_json(step.folder(self.runs) / RECORD)

    def failure_file(self, key: str) -> Path:
        return self.runs / ".failed" / f"{key}.json"

    def failure(self, step: Step) -> Failure | None:
        path = self.failure_file(step.key)
        return Failure(**read_json(path)["failure"]) if path.is_file() else None

    def status(self, step: Step) -> Status:
        if self.is_done(step):
            return "done"
        if Claims(self.runs).holder(step.key) is not None:
            return "running"
        return "failed" if self.failure(step) is not None else "missing"

    def require(self, step: Step, command: str) -> Path:
        """The artifact's folder; if it is missing, an `InputError` that names the command that makes it."""
        if not self.is_done(step):
            raise InputError(
                f"{self.runs}: {step.label} is not there", expected="a finished run", remedy=f"run `{command}` first"
            )
        return step.folder(self.runs)
