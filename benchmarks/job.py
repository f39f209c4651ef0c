"""A step as it is sent to a worker process: plain data and paths."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.step import Step


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: the step, where its inputs lie, `out` the folder to fill, `work` a folder that
    survives a killed process."""

    kind: str
    key: str
    label: str
    spec: Mapping[str, Any]
    place: Mapping[str, Any]
    inputs: Mapping[str, Path]
    input_keys: Mapping[str, str]
    out: Path
    work: Path
    workers: int = 1

    @classmethod
    def of(cls, step: Step, runs: Path, workers: int = 1) -> "Job":
        home = building(runs, step.key)
        return cls(
            step.kind, step.key, step.label, step.spec, step.place,
            {name: needed.folder(runs) for name, needed in step.inputs.items()},
            {name: needed.key for name, needed in step.inputs.items()},
            home / "out", home / "work", workers,
        )  # fmt: skip


def building(runs: Path, key: str) -> Path:
    """Where an artifact lies until it is whole."""
    return runs / ".work" / key
