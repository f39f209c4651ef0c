"""Which rows of a grid lie along an axis, and which of them belong together: pure, without numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gesturebench.benchmarks.axes import name_of
from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.overrides import leaves, opened
from gesturebench.benchmarks.plan import Plan
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import canonical_json
from gesturebench.methods.registry import get_method, method_names
from gesturebench.results.figure_style import NothingToDraw, plain


@dataclass(frozen=True)
class Series:
    """Rows that differ along the axis alone: their labels by place on the axis."""

    name: str
    rows: Mapping[int, str]


@dataclass(frozen=True)
class Sweep:
    """`axis` a dotted key, its `values` in order (rising where they are numbers, else as the grid has them), the series
    along it, and the labels of rows `beside` it, which have no such key."""

    axis: str
    values: tuple[Any, ...]
    series: tuple[Series, ...]
    beside: tuple[str, ...]

    def without(self, labels: set[str]) -> "Sweep":
        """The same without some of the rows beside it."""
        return replace(self, beside=tuple(label for label in self.beside if label not in labels))

    @property
    def is_numeric(self) -> bool:
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name_of(value) for value in self.values)


@dataclass(frozen=True)
class _Place:
    """A row on the axis: `rest` is its method and everything of its configuration but the axis, by dotted key."""

    label: str
    value: Any
    rest: Mapping[str, Any]


def find_sweep(plan: Plan, axis: str | None = None) -> Sweep:
    """The rows of a grid along `axis`, by default the only one that the grid has."""
    axis = axis or only_axis(plan)
    settings = {row.label: _settings(plan, row) for row in plan.grid.rows}
    declared = any(_dotted(row, axis) in _values(row) for row in plan.grid.rows)
    placed = [place for row in plan.grid.rows if (place := _place(row, axis, settings[row.label], declared))]
    if not placed:
        raise unknown_name("axis", axis, {key for found in settings.values() for key in found if key != "method"})
    values = _in_order([place.value for place in placed])
    keys = [canonical_json(value) for value in values]
    if len(values) < 2:
        raise NothingToDraw(
            f"{plan.grid.title}: every row has {axis} = {name_of(values[0])}",
            expected="two values or more along an axis",
            remedy=f"choose another, such as {', '.join(axes_of(plan)[:4])}" if axes_of(plan) else "add rows",
        )
    series = tuple(
        Series(name, {keys.index(canonical_json(place.value)): place.label for place in places})
        for name, places in _grouped(placed, _walking(plan.grid.rows, axis))
    )
    return Sweep(axis, values, series, tuple(row.label for row in plan.grid.rows if row.label not in _labels(placed)))


def axes_of(plan: Plan) -> list[str]:
    """The keys along which a figure can be drawn: the grid's own axes, else what differs between rows of a method. Of
    keys that walk together, the first."""
    rows = [row.values for row in plan.grid.rows if row.values]
    if not rows:
        rows = [_settings(plan, row) for row in plan.grid.rows]
    found: list[str] = []
    for key in dict.fromkeys(key for row in rows for key in row):
        differs = any(
            len({canonical_json(row[key]) for row in rows if key in row and row.get("method") == method}) > 1
            for method in {row.get("method") for row in rows}
        )
        if differs and key != "method" and not any(_walk_together(rows, key, other) for other in found):
            found.append(key)
    return found


def only_axis(plan: Plan) -> str:
    found = axes_of(plan)
    if not found:
        raise NothingToDraw(f"{plan.grid.title}: no axis: rows of a method have equal settings", remedy="add rows")
    if len(found) > 1:
        raise InputError(
            f"{plan.grid.title}: rows differ in {', '.join(found[:8])}",
            expected="one axis",
            remedy="name it with --axis",
        )
    return found[0]


def _settings(plan: Plan, row: Row) -> dict[str, Any]:
    """The row's resolved configuration by dotted key, and its method; nothing for a row that is not planned."""
    cells = plan.cells_of(row.label)
    if not cells:
        return {}
    config = cells[0].generate.spec["config"]
    return {"method": row.method} | {key: _at(config, key) for key in leaves(config)}


def _at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def _place(row: Row, axis: str, settings: Mapping[str, Any], declared: bool) -> _Place | None:
    """None where the row has no such key; along an axis that the grid declares, where the row is not part of it."""
    key = _dotted(row, axis)
    values = _values(row)
    if not settings:
        settings = {"method": row.method, **values}
    if key not in settings or (declared and key not in values):
        return None
    return _Place(row.label, values.get(key, settings[key]), {k: v for k, v in settings.items() if k != key})


def _values(row: Row) -> dict[str, Any]:
    """Where the grid puts the row on its axes, by whole key."""
    return {_dotted(row, key): value for key, value in row.values.items()}


def _dotted(row: Row, axis: str) -> str:
    """The whole key, where a section's name stands for its principal key; as it is for a method that is not built."""
    if row.method not in method_names():
        return axis
    return next(leaves(opened({axis: 0}, get_method(row.method).Config)))


def _in_order(values: Sequence[Any]) -> tuple[Any, ...]:
    different = tuple({canonical_json(value): value for value in values}.values())
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in different)
    return tuple(sorted(different)) if numbers else different


def _walking(rows: Sequence[Row], axis: str) -> set[str]:
    """Whole keys of the grid that change with the axis, one value for each of its values."""
    found: set[str] = set()
    for method in {row.method for row in rows}:
        mine = [row for row in rows if row.method == method]
        values, whole = [_values(row) for row in mine], _dotted(mine[0], axis)
        found |= {key for row in values for key in row if key != whole and _walk_together(values, whole, key)}
    return found


def _walk_together(rows: Sequence[Mapping[str, Any]], key: str, other: str) -> bool:
    pairs = {(canonical_json(row[key]), canonical_json(row[other])) for row in rows if key in row and other in row}
    return len(pairs) > 1 and len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


def _grouped(placed: Sequence[_Place], walking: set[str]) -> list[tuple[str, list[_Place]]]:
    """Places with equal rest, under a name that tells the groups apart."""
    groups: dict[str, list[_Place]] = {}
    for place in placed:
        rest = {key: value for key, value in place.rest.items() if key not in walking}
        groups.setdefault(canonical_json(rest), []).append(place)
    rests = [places[0].rest for places in groups.values()]
    differing = [
        key
        for key in dict.fromkeys(key for rest in rests for key in rest)
        if key not in walking and len({canonical_json(rest.get(key)) for rest in rests}) > 1
    ]
    return [(_name(places, differing), places) for places in groups.values()]


def _name(places: Sequence[_Place], differing: Sequence[str]) -> str:
    """A row that stands alone keeps its label."""
    if len(places) == 1:
        return places[0].label
    rest = places[0].rest
    last = [key.split(".")[-1] for key in differing]
    told = [
        f"{short if last.count(short) == 1 else key}={_value(rest[key])}"
        for key, short in zip(differing, last, strict=True)
        if key in rest and key != "method"
    ]
    method = [rest["method"]] if "method" in differing or not told else []
    return ", ".join([*method, *told])


def _value(value: Any) -> str:
    return plain(value) if isinstance(value, float) else name_of(value)


def _labels(places: Sequence[_Place]) -> set[str]:
    return {place.label for place in places}
