"""A step: a node of the plan, known by the hash of everything that can change its result."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from gesturebench.benchmarks.resources import Resources
from gesturebench.common.errors import InputError
from gesturebench.common.files import canonical_json

Kind = Literal["corpus", "prepare", "fit", "generate", "evaluate"]
"""`corpus` writes the stand-in corpus, `prepare` builds the clip store, `fit` trains one component, `generate` makes
motion for every clip of the protocol's split, `evaluate` scores it with one metric."""

COST = {"corpus": 40.0, "prepare": 15.0, "fit": 40.0, "generate": 20.0, "evaluate": 3.0}
"""Rough seconds at demo size. They decide the order of work, never its result."""

KEY_DIGITS = 24


class Sealed(dict[str, Any]):
    """A JSON object that nobody changes any more, so that its text is made once for all the steps that share it."""

    @cached_property
    def text(self) -> str:
        return canonical_json(dict(self))


@dataclass(frozen=True, eq=False)
class Step:
    """One unit of work.

    `spec` is JSON and says everything that affects the result; `place` says what the work needs to know but does not
    depend on (where the data lies, configuration sections of other parts); `label` is for people; `inputs` are steps
    whose artifacts are read; `resources` what a launcher should ask for.
    """

    kind: Kind
    label: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, "Step"] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict)
    resources: Resources | None = None

    @cached_property
    def key(self) -> str:
        """sha256 of kind, spec and the keys of the inputs, 24 hexadecimal digits of it."""
        inputs = ",".join(f'{_quoted(name)}:"{self.inputs[name].key}"' for name in sorted(self.inputs))
        text = f'{{"inputs":{{{inputs}}},"kind":"{self.kind}","spec":{spec_text(self.spec)}}}'
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]

    def folder(self, runs: Path) -> Path:
        """Where the finished artifact lies."""
        return runs / self.kind / self.key

    def with_inputs(self) -> Iterator["Step"]:
        """This step after everything it needs; a step that is needed twice comes twice."""
        for step in self.inputs.values():
            yield from step.with_inputs()
        yield self


@cache
def _quoted(word: str) -> str:
    return canonical_json(word)


def _text(value: Any) -> str:
    """The canonical JSON, by short ways where there are any: a plan has a hundred thousand of them."""
    kind = type(value)
    if kind is Sealed:
        return value.text
    if kind is str:
        return _quoted(value)
    return str(value) if kind is int else canonical_json(value)


def spec_text(spec: Mapping[str, Any], leave_out: frozenset[str] = frozenset()) -> str:
    """The canonical JSON of a spec, all of it or without some of its keys.

    >>> spec_text({"seed": 1, "config": Sealed({"b": 2, "a": 1})}, leave_out=frozenset({"seed"}))
    '{"config":{"a":1,"b":2}}'
    """
    if type(spec) is Sealed and not leave_out & spec.keys():
        return spec.text
    return (
        "{" + ",".join(f"{_quoted(name)}:{_text(spec[name])}" for name in sorted(spec) if name not in leave_out) + "}"
    )


def unique(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps by key, each at its first place, so that what comes after its needs still does."""
    found: dict[str, Step] = {}
    for step in steps:
        found.setdefault(step.key, step)
    return tuple(found.values())


def closure(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps and everything they need, each key once and after what it needs.

    >>> corpus = Step("corpus", "data", {})
    >>> fit = Step("fit", "model", {}, {"corpus": corpus})
    >>> [step.label for step in closure([fit, corpus])]
    ['data', 'model']
    """
    found: dict[str, Step] = {}
    for step in steps:
        if step.key not in found:
            _collect(step, found)
    return tuple(found.values())


def _collect(step: Step, found: dict[str, Step]) -> None:
    for needed in step.inputs.values():
        if needed.key not in found:
            _collect(needed, found)
    found[step.key] = step


def urgency(steps: tuple[Step, ...]) -> dict[str, float]:
    """Length of the longest chain of work that starts at each step, by key: the step to start first is the one with the
    longest."""
    longest: dict[str, float] = {}
    for step in reversed(steps):
        own = longest[step.key] = longest.get(step.key, 0.0) + COST[step.kind]
        for needed in step.inputs.values():
            longest[needed.key] = max(longest.get(needed.key, 0.0), own)
    return longest


FORMAT = 1
"""Of the JSON below, raised when its shape changes."""


def steps_to_json(steps: Iterable[Step]) -> dict[str, Any]:
    """The steps as JSON: how a plan travels to another machine.

    `wanted` are their keys, `steps` they and everything they need, each once and after what it needs. Objects inside a
    spec or place (configurations, protocols) stand once under `objects`, a step gives their numbers under
    `spec_objects` and `place_objects`.
    """
    wanted = tuple(steps)
    numbers: dict[str, int] = {}
    objects: list[Mapping[str, Any]] = []

    def number(value: Mapping[str, Any]) -> int:
        text = _text(value)
        if text not in numbers:
            numbers[text] = len(objects)
            objects.append(value)
        return numbers[text]

    nodes = [_to_json(step, number) for step in closure(wanted)]
    return {"format": FORMAT, "wanted": [step.key for step in wanted], "steps": nodes, "objects": objects}


def _to_json(step: Step, number: Callable[[Mapping[str, Any]], int]) -> dict[str, Any]:
    node: dict[str, Any] = {"key": step.key, "kind": step.kind, "label": step.label}
    node["inputs"] = {name: needed.key for name, needed in step.inputs.items()}
    for part, values in (("spec", step.spec), ("place", step.place)):
        node[part] = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
        node[f"{part}_objects"] = {name: number(value) for name, value in values.items() if isinstance(value, Mapping)}
    if step.resources is not None:
        node["resources"] = step.resources.model_dump(mode="json", exclude_none=True)
    return node


def steps_from_json(value: Mapping[str, Any], where: str = "steps") -> tuple[Step, ...]:
    """The wanted steps, in their order; a step whose key is not the hash of its content is an `InputError`."""
    try:
        if value["format"] != FORMAT:
            raise _unreadable(where, f"format {value['format']!r}, not {FORMAT}")
        objects = [Sealed(found) for found in value["objects"]]
        steps: dict[str, Step] = {}
        for node in value["steps"]:
            step = _from_json(node, objects, steps)
            if step.key != node["key"]:
                raise _unreadable(where, f"step {node['key']} ({step.label}) has the content of step {step.key}")
            steps[step.key] = step
        return tuple(steps[key] for key in value["wanted"])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(where, f"{type(error).__name__} {error}") from error


def _from_json(node: Mapping[str, Any], objects: list[Sealed], steps: Mapping[str, Step]) -> Step:
    spec, place = (
        node[part] | {name: objects[number] for name, number in node[f"{part}_objects"].items()}
        for part in ("spec", "place")
    )
    inputs = {name: steps[key] for name, key in node["inputs"].items()}
    asked = Resources(**node["resources"]) if "resources" in node else None
    return Step(node["kind"], node["label"], spec, inputs, place, asked)


def _unreadable(where: str, fault: str) -> InputError:
    return InputError(
        f"{where}: {fault}", expected="steps as gesturebench wrote them", remedy="delete the file and submit again"
    )
