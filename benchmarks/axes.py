"""Axes of a grid: from one declared row to the rows of every combination. Pure."""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gesturebench.common.errors import InputError, shown, unknown_name

MOST = 100_000
"""Combinations of one row; more are a slip of the pen."""

Axis = Mapping[str, Any]
"""Values by key: a list, or a mapping of names (for labels) to values. An axis of several keys walks them together."""


@dataclass(frozen=True)
class Point:
    """One combination: the value and its name for every key."""

    values: Mapping[str, Any]
    names: Mapping[str, str]


def points_of(axes: Sequence[Axis], exclude: Sequence[Mapping[str, Any]], where: str) -> tuple[list[Point], set[int]]:
    """Every combination of the axes, the first axis slowest, without the excluded ones; and the numbers of the
    exclusions that left something out.

    >>> points, _ = points_of([{"a": [1, 2]}, {"b": [3, 4], "c": [5, 6]}], [{"a": 1, "b": 3}], "grid")
    >>> [tuple(point.values.values()) for point in points]
    [(1, 4, 6), (2, 3, 5), (2, 4, 6)]
    """
    steps = [_steps(axis, f"{where} axis {number}") for number, axis in enumerate(axes, start=1)]
    _refuse_twice([key for axis in axes for key in axis], f"{where}: two axes have", "one axis for each key")
    if math.prod(map(len, steps)) > MOST:
        raise InputError(
            f"{where}: {math.prod(map(len, steps))} combinations", expected=f"at most {MOST}", remedy="shorten an axis"
        )
    kept, used = [], set()
    for combination in itertools.product(*steps):
        point = Point(_joined(values for values, _ in combination), _joined(names for _, names in combination))
        hits = {number for number, rule in enumerate(exclude) if _excluded(point, rule)}
        used |= hits
        if not hits:
            kept.append(point)
    return kept, used


def _steps(axis: Axis, where: str) -> list[tuple[dict[str, Any], dict[str, str]]]:
    """What each step along an axis sets: values and names by key."""
    if not axis:
        raise InputError(f"{where}: no key", expected="a mapping of keys to lists", remedy="add one or leave it out")
    columns = {key: _named(values, f"{where} {key!r}") for key, values in axis.items()}
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise InputError(
            f"{where}: {told} values", expected="equally many, since the keys of one axis walk together",
            remedy="give each key an axis of its own to combine them",
        )  # fmt: skip
    rows = list(zip(*columns.values()))
    _refuse_twice([json.dumps([value for _, value in row]) for row in rows], f"{where}: holds", "different values")
    return [
        ({key: value for key, (_, value) in zip(axis, row)}, {key: name for key, (name, _) in zip(axis, row)})
        for row in rows
    ]


def _named(values: Any, where: str) -> list[tuple[str, Any]]:
    pairs = values.items() if isinstance(values, Mapping) else None
    if pairs is None and isinstance(values, list | tuple):
        pairs = [(name_of(value), value) for value in values]
    if pairs is None:
        raise InputError(
            f"{where} is {shown(values)}", expected="a list of values, or names to values", remedy="correct it"
        )
    if not pairs:
        raise InputError(f"{where} has no values", expected="one or more", remedy="add some or leave the key out")
    return [(str(name), value) for name, value in pairs]


def _refuse_twice(things: list[str], what: str, expected: str) -> None:
    twice = next((thing for thing, count in Counter(things).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{what} {twice} twice", expected=expected, remedy="remove one")


def _joined(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def name_of(value: Any) -> str:
    """How a label shows a value: words as they are, all else as in JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _excluded(point: Point, rule: Mapping[str, Any]) -> bool:
    """Whether all that the rule names is so; a list in it stands for any of its values."""
    return bool(rule) and all(key in point.values and _matches(point, key, wanted) for key, wanted in rule.items())


def _matches(point: Point, key: str, wanted: Any) -> bool:
    value, name = point.values[key], point.names[key]
    return value == wanted or name == wanted or (isinstance(wanted, list) and (value in wanted or name in wanted))


_FIELD = re.compile(r"\{([^{}]*)\}")


def label_of(template: str, point: Point, where: str) -> str:
    """The template with `{key}` replaced by the name of the key's value; without any field, the values follow it.

    >>> point = Point({"lr": 0.1}, {"lr": "0.1"})
    >>> label_of("steps of {lr}", point, "row"), label_of("guided", point, "row")
    ('steps of 0.1', 'guided, lr=0.1')
    """
    fields = _FIELD.findall(template)
    for field in fields:
        if field not in point.names:
            raise unknown_name(f"axis in the label of {where}", field, point.names)
    if not fields:
        return ", ".join([template, *(f"{key}={name}" for key, name in point.names.items())])
    return _FIELD.sub(lambda found: point.names[found[1]], template)
