"""How long steps will take, from the records of steps like them."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Literal

from gesturebench.benchmarks.state import RECORD
from gesturebench.benchmarks.step import COST, Step, spec_text
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json

MOST_RECORDS = 300
"""Newest records of a kind that are read: enough for a median, and quick in a large store."""

Basis = Literal["same settings", "same method", "assumed"]
"""Records of steps that differ in seed and inputs alone; of the same method, metric or part with other settings; none
at all, then a constant for the size of the demo on one core, which says little about anything larger."""


@dataclass(frozen=True)
class Expectation:
    """Of one step: seconds, on how many processor cores and GPUs, and what that is taken from."""

    seconds: float
    basis: Basis
    cpus: int = 1
    gpus: int = 0

    @property
    def cpu_hours(self) -> float:
        return self.seconds * self.cpus / 3600

    @property
    def gpu_hours(self) -> float:
        return self.seconds * self.gpus / 3600


@dataclass(frozen=True)
class _Past:
    """Durations in seconds and whether a GPU was used, of finished steps of one sort."""

    seconds: list[float]
    on_gpu: list[bool]

    @cached_property
    def median_s(self) -> float:
        return median(self.seconds)

    @cached_property
    def gpus(self) -> int:
        """One, if most of them used one."""
        return round(median(self.on_gpu))


def forecast(steps: Iterable[Step], runs: Path) -> dict[str, Expectation]:
    """What to expect of each step, by key: the median of records with the same settings, else of the same method."""
    steps = tuple(steps)
    past = _past(runs, {step.kind for step in steps})
    return {step.key: _expectation(step, past) for step in steps}


def _expectation(step: Step, past: Mapping[str, _Past]) -> Expectation:
    asked = step.resources
    nodes = (asked and asked.nodes) or 1
    cpus = nodes * ((asked and asked.cpus) or 1)
    for sort, basis in ((_settings, "same settings"), (_name, "same method")):
        found = past.get(sort(step.kind, step.spec))
        if found is not None:
            gpus = found.gpus if asked is None or asked.gpus is None else asked.gpus
            return Expectation(found.median_s, basis, cpus, nodes * gpus)
    return Expectation(COST[step.kind], "assumed", cpus, nodes * ((asked and asked.gpus) or 0))


def _past(runs: Path, kinds: Iterable[str]) -> dict[str, _Past]:
    found: defaultdict[str, _Past] = defaultdict(lambda: _Past([], []))
    for kind in kinds:
        for record in _records(runs / kind):
            for sort in (_settings(kind, record["spec"]), _name(kind, record["spec"])):
                found[sort].seconds.append(float(record["duration_s"]))
                found[sort].on_gpu.append(not str(record.get("device", "cpu")).startswith("cpu"))
    return dict(found)


def _records(folder: Path) -> list[dict[str, Any]]:
    """The newest records of a kind; one that cannot be read tells nothing here, others complain about it."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    newest = sorted(entries, key=lambda entry: entry.stat().st_mtime, reverse=True)[:MOST_RECORDS]
    records = []
    for entry in newest:
        try:
            record = read_json(Path(entry.path) / RECORD)
        except InputError:
            continue
        if isinstance(record, dict) and "duration_s" in record and isinstance(record.get("spec"), dict):
            records.append(record)
    return records


def _name(kind: str, spec: Mapping[str, Any]) -> str:
    """What a step is about, whatever its settings."""
    name = next((spec[key] for key in ("method", "metric", "evaluator", "fit") if key in spec), "")
    return f"{kind} {name}"


def _settings(kind: str, spec: Mapping[str, Any]) -> str:
    """All that a step does but its seed."""
    return f"{kind} {spec_text(spec, leave_out=frozenset({'seed'}))}"
