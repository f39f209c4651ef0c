"""Finished evaluations as a run leaves them, without running anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.step import Step
from gesturebench.common.files import write_json

PASSPORT = {
    "status": "done",
    "versions": {"python": "3.11.7", "torch": "2.5.0"},
    "commit": {"commit": "c0ffee", "dirty": True},
    "device": "cpu (x86_64)",
    "threads": 1,
    "host": "here",
    "started": "2026-01-02T03:04:05Z",
    "duration_s": 1.25,
    "data": "0123456789abcdef",
    "is_standin": True,
}


def evaluation(metric: str, seed: int = 5, label: str = "Random", method: str = "random_clip") -> Step:
    """A score of the motion of one row with one seed."""
    spec = {"method": method, "version": 1, "config": {"scope": {"per": "speech"}}, "seed": seed, "query": "none"}
    generate = Step("generate", f"{label} (seed {seed})", spec, {})
    spec = {"metric": metric, "version": 1, "config": {"sigma": 0.1}, "scope": {}}
    return Step("evaluate", f"{metric}: {generate.label}", spec, {"motions": generate})


def finish(runs: Path, step: Step, numbers: Mapping[str, Any], units: Mapping[str, Mapping[str, float]]) -> Path:
    """Leave what a finished evaluation and its motion leave, but no shard; returns the evaluation's folder."""
    folder, generate = step.folder(runs), step.inputs["motions"]
    write_json(folder / "per_clip.json", units)
    record = PASSPORT | {
        "kind": "evaluate",
        "key": step.key,
        "label": step.label,
        "spec": dict(step.spec),
        "inputs": {name: needed.key for name, needed in step.inputs.items()},
        "metrics": dict(numbers),
        "frames": sum(values["frames"] for values in units.values()),
        "clips": len({unit.split("/")[0] for unit in units}),
        "protocol": "standin",
        "protocol_hash": "57c76ab00a44",
        "bound_hash": "aabbccddeeff",
        "bound": {"encoders": {}},
    }
    write_json(folder / "record.json", record)
    leave_motion(runs, generate)
    return folder


def leave_motion(runs: Path, step: Step, inputs: Mapping[str, str] | None = None) -> None:
    record = PASSPORT | {"kind": "generate", "key": step.key, "label": step.label, "spec": dict(step.spec)}
    write_json(step.folder(runs) / "record.json", record | {"inputs": dict(inputs or {})})
