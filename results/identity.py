"""What two numbers of a column must share to stand in one table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.results.reading import Score

Identity = Mapping[str, Any]
"""By aspect what was measured; None where it is not known yet."""

_KNOWN_LATER = ("sample count", "clips scored")
"""Aspects of a number that are known when it is there."""


def identity_of(cells: Sequence[Cell], metric: str, found: Sequence[Score], n: int | None, plan: Plan) -> Identity:
    """Of a row's number; `n` of it, once it is there."""
    step = cells[0].evaluate[metric]
    encoder = step.inputs.get("encoder")
    return {
        "protocol": {
            "metric": metric,
            "settings": step.spec["config"],
            "version": step.spec["version"],
            "scope": step.spec["scope"],
        },
        "data": plan.prepare.key,
        "encoder": encoder.key if encoder else None,
        "sample count": n,
        "clips scored": _bound(found),
    }


def _bound(found: Sequence[Score]) -> dict[str, Any] | None:
    """What the protocol found in the data, from the records of all seeds; `seeds differ` where they do not agree."""
    bounds = [score.record.get("bound") for score in found]
    if not bounds or all(bound == bounds[0] for bound in bounds):
        return bounds[0] if bounds else None
    return {"seeds differ": bounds}


def differences(rows: Sequence[tuple[str, Mapping[str, Identity]]]) -> Iterator[tuple[int, str, str]]:
    """(number of the row, column key, sentence) for every number that differs from the first row that has the column;
    rows are labels, which two grids may share, with identities by column key."""
    first: dict[tuple[str, str], tuple[str, Any]] = {}
    for row, (label, identities) in enumerate(rows):
        for key, identity in identities.items():
            for aspect, value in identity.items():
                if aspect in _KNOWN_LATER and value is None:
                    continue
                other, expected = first.setdefault((key, aspect), (label, value))
                if value is not expected and value != expected:
                    yield row, key, _sentence(label, other, key, aspect, value, expected)


def _sentence(label: str, other: str, key: str, aspect: str, value: Any, expected: Any) -> str:
    values = f"{_short(value, expected)} against {_short(expected, value)}"
    return f"{label!r} and {other!r} differ in the {aspect} of {key} ({values})"


def _short(value: Any, other: Any) -> str:
    """Only what differs, where both are dictionaries."""
    if isinstance(value, dict) and isinstance(other, dict):
        return ", ".join(f"{k} {_short(v, other.get(k))}" for k, v in value.items() if v != other.get(k))
    return str(value)
