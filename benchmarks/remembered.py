"""Plans that a store remembers: what every run wanted is noted, so that nobody takes its results for rubbish."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_json, writing

FOLDER = ".grids"


@dataclass(frozen=True)
class Remembered:
    """A plan as far as a store knows it: its title, and by key of every step the keys of its inputs."""

    title: str
    inputs: Mapping[str, tuple[str, ...]]


def remember_plan(plan: Plan, runs: Path) -> str:
    """Note what a grid needs; to be called before it runs. Returns the identity of the plan."""
    return remember(plan.grid.title, plan.steps, runs)


def remember(title: str, steps: Iterable[Step], runs: Path) -> str:
    """Note steps under a title; returns their identity, 16 hexadecimal digits that depend on title and keys alone."""
    inputs = {step.key: sorted({needed.key for needed in step.inputs.values()}) for step in steps}
    identity = sha256_json({"title": title, "keys": sorted(inputs)})[:16]
    path = runs / FOLDER / f"{identity}.json"
    if not path.exists():
        with writing(path) as part:
            part.write_text(json.dumps({"title": title, "steps": inputs}), encoding="utf-8")
    return identity


def remembered(runs: Path) -> list[Remembered]:
    """Every plan that was ever run here; one that cannot be read is refused, for it may need anything."""
    found = []
    for path in sorted((runs / FOLDER).glob("*.json")):
        content = read_json(path)
        try:
            inputs = {key: tuple(needed) for key, needed in content["steps"].items()}
            found.append(Remembered(content["title"], inputs))
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}: not a plan that was run", expected="title and steps", remedy="delete the file"
            ) from error
    return found
