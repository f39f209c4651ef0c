"""A step as it is sent to a worker process: plain data and paths."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.attempts import Attempt, Attempts
from gesturebench.benchmarks.step import Step


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: the step, where its inputs lie, `out` the folder to fill, `work` a folder that
    survives a killed process; the attempt it is, with the `log` that takes what is printed; `batch_divisor` is what
    batches are divided by because memory did not suffice before."""

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
    batch_divisor: int = 1
    attempt: str | None = None
    log: Path | None = None

    @classmethod
    def of(cls, step: Step, runs: Path, attempt: Attempt, workers: int = 1) -> "Job":
        return cls(
            step.kind, step.key, step.label, step.spec, step.place,
            {name: needed.folder(runs) for name, needed in step.inputs.items()},
            {name: needed.key for name, needed in step.inputs.items()},
            making(runs, attempt), _work(runs, attempt), workers,
            attempt.batch_divisor, attempt.nonce, Attempts(runs).log(attempt),
        )  # fmt: skip


def building(runs: Path, key: str) -> Path:
    """Where an artifact lies until it is whole."""
    return runs / ".work" / key


def making(runs: Path, attempt: Attempt) -> Path:
    """The folder an attempt fills: its own, so that one that was given up and is not dead yet spoils nothing."""
    return building(runs, attempt.key) / f"out.{attempt.nonce}"


def _work(runs: Path, attempt: Attempt) -> Path:
    """What attempts hand on to each other; a training with smaller batches starts over, samples do not depend on
    them."""
    divided = attempt.kind == "fit" and attempt.batch_divisor > 1
    return building(runs, attempt.key) / (f"work.{attempt.batch_divisor}" if divided else "work")
