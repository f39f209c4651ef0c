"""A step: a node of the plan, known by the hash of everything that can change its result."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gesturebench.common.files import sha256_json

Kind = Literal["corpus", "prepare", "fit", "generate", "evaluate"]
"""`corpus` writes the stand-in corpus, `prepare` builds the clip store, `fit` trains one component, `generate` makes
motion for every clip of the protocol's split, `evaluate` scores it with one metric."""

COST = {"corpus": 40.0, "prepare": 15.0, "fit": 40.0, "generate": 20.0, "evaluate": 3.0}
"""Rough seconds at demo size. They decide the order of work, never its result."""


@dataclass(frozen=True, eq=False)
class Step:
    """One unit of work.

    `spec` is JSON and says everything that affects the result; `place` says what the work needs to know but does not
    depend on (where the data lies, configuration sections of other parts); `label` is for people; `inputs` are steps
    whose artifacts are read.
    """

    kind: Kind
    label: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, "Step"] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """sha256 of kind, spec and the keys of the inputs, 24 hexadecimal digits of it."""
        inputs = {name: step.key for name, step in self.inputs.items()}
        return sha256_json({"kind": self.kind, "spec": self.spec, "inputs": inputs})[:24]

    def folder(self, runs: Path) -> Path:
        """Where the finished artifact lies."""
        return runs / self.kind / self.key

    def with_inputs(self) -> Iterator["Step"]:
        """This step after everything it needs; a step that is needed twice comes twice."""
        for step in self.inputs.values():
            yield from step.with_inputs()
        yield self


def unique(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps by key, each at its first place, so that what comes after its needs still does."""
    return tuple({step.key: step for step in steps}.values())


def urgency(steps: tuple[Step, ...]) -> dict[str, float]:
    """Length of the longest chain of work that starts at each step, by key: the step to start first is the one with the
    longest."""
    longest: dict[str, float] = {}
    for step in reversed(steps):
        own = longest[step.key] = longest.get(step.key, 0.0) + COST[step.kind]
        for needed in step.inputs.values():
            longest[needed.key] = max(longest.get(needed.key, 0.0), own)
    return longest
