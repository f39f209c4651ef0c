"""A grid's results as a table: aggregated, with what each number is comparable with; refuses to put unlike things side
by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.state import PER_CLIP, RunStore, Status
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.results.numbers import Number, Sample, summarise

GROUPS = {
    "anchor": "Anchors",
    "method": "Methods",
    "control": "Controls",
    "oracle": "Reads the truth (not comparable with the rows above)",
}
"""Row groups in the order of the table, with their headings."""


@dataclass(frozen=True)
class Entry:
    """One place of the table: a number, or why there is none. `foreign` marks a number whose protocol differs from the
    first row's."""

    number: Number | None
    status: Status
    is_best: bool = False
    foreign: bool = False


@dataclass(frozen=True)
class Line:
    """One row: entries by column key, and by column key the identity of what was measured; `clips` that were scored."""

    label: str
    group: str
    method: str
    query: str
    note: str
    seeds: tuple[int, ...]
    clips: int | None
    entries: Mapping[str, Entry]
    identity: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Table:
    """What renderers need: title, columns, lines in the order of groups, and remarks for below."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]

    def groups(self) -> Iterator[tuple[str, list[Line]]]:
        """Heading and lines of every group that has lines."""
        for group, heading in GROUPS.items():
            lines = [line for line in self.lines if line.group == group]
            if lines:
                yield heading, lines


def build_table(plans: Sequence[Plan], store: RunStore, *, mix_protocols: bool = False) -> Table:
    """The table of one or more grids; rows that cannot be compared are refused, or marked with `mix_protocols`."""
    columns = _columns(plans)
    lines = [_line(plan, row.label, columns, store) for plan in plans for row in plan.grid.rows]
    lines = sorted(lines, key=lambda line: list(GROUPS).index(line.group))
    differences = list(_differences(lines))
    if differences and not mix_protocols:
        raise InputError(
            f"rows that cannot be compared: {differences[0][2]}",
            expected="one protocol, data set, encoder and sample count per column",
            remedy="print the grids one by one, or mark the rows with --mix-protocols",
        )
    lines = _with_best(_marked(lines, {(label, key) for label, key, _ in differences}), columns)
    title = " / ".join(dict.fromkeys(plan.grid.title for plan in plans))
    if any(plan.is_standin for plan in plans):
        title += " (stand-in corpus, not BEAT2)"
    return Table(title, columns, tuple(lines), tuple(_remarks(plans, lines, store, bool(differences))))


def _columns(plans: Sequence[Plan]) -> tuple[Column, ...]:
    metrics = dict.fromkeys(metric for plan in plans for metric in plan.metrics)
    return tuple(column for metric in metrics for column in get_evaluator(metric).columns)


def _metric_of(columns: Sequence[Column], plan: Plan) -> dict[str, str]:
    """Metric name by column key, for the metrics of a plan."""
    return {column.key: metric for metric in plan.metrics for column in get_evaluator(metric).columns}


def _line(plan: Plan, label: str, columns: Sequence[Column], store: RunStore) -> Line:
    cells = plan.cells_of(label)
    row, query = cells[0].row, cells[0].query
    metric_of = _metric_of(columns, plan)
    entries = {key: _entry(cells, metric, key, store) for key, metric in metric_of.items()}
    entries |= {column.key: Entry(None, "missing") for column in columns if column.key not in entries}
    identity = {key: _identity(cells, metric, entries[key], plan, store) for key, metric in metric_of.items()}
    group = "oracle" if query == "oracle" else row.group
    seeds = tuple(cell.seed for cell in cells)
    return Line(label, group, row.method, query, row.note, seeds, _clips(cells, store), entries, identity)


def _clips(cells: Sequence[Cell], store: RunStore) -> int | None:
    """How many clips were scored, as soon as anything was."""
    done = (step for cell in cells for step in cell.evaluate.values() if store.is_done(step))
    return next((store.record(step)["clips"] for step in done), None)


def _entry(cells: Sequence[Cell], metric: str, key: str, store: RunStore) -> Entry:
    """The number over all seeds; while one seed is not there, the worst that happened to any."""
    statuses = [cell_status(cell, metric, store) for cell in cells]
    for status in ("failed", "running", "missing"):
        if status in statuses:
            return Entry(None, status)
    scores = [store_of(cell, metric, store) for cell in cells]
    if any(metrics.get(key) is None for metrics, _ in scores):
        return Entry(None, "done")  # nothing of its kind in these clips
    return Entry(summarise(_sample(scores, key)), "done")


def cell_status(cell: Cell, metric: str, store: RunStore) -> Status:
    """State of a score: failed or running if the score or anything it needs is."""
    score = cell.evaluate[metric]
    if store.is_done(score):
        return "done"
    found = {store.status(step) for step in score.with_inputs()}
    return next(status for status in ("failed", "running", "missing") if status in found)


def store_of(cell: Cell, metric: str, store: RunStore) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Metrics and per-clip values of a finished score."""
    step = cell.evaluate[metric]
    return store.record(step)["metrics"], read_json(step.folder(store.runs) / PER_CLIP)


def _sample(scores: list[tuple[dict[str, Any], dict[str, dict[str, float]]]], key: str) -> Sample:
    """Stack seeds. The windows of a clip are no independent draws: they enter as one, their weighted mean."""
    totals = np.array([metrics[key] for metrics, _ in scores], dtype=np.float64)
    by_clip = [_by_clip(per_unit, key) for _, per_unit in scores]
    clips = sorted(set().union(*by_clip))
    n = int(scores[0][0]["n"])
    if not clips:
        return Sample(totals, None, None, n)
    table = np.array([[found.get(clip, (0.0, 0.0)) for clip in clips] for found in by_clip])
    return Sample(totals, table[..., 0], table[..., 1], n)


def _by_clip(per_unit: Mapping[str, Mapping[str, float]], key: str) -> dict[str, tuple[float, float]]:
    """Value and weight of every clip; a unit's weight is its `<key>_n` if the evaluator gives one, else its frames."""
    totals: dict[str, float] = {}
    weights: dict[str, float] = {}
    for unit, values in per_unit.items():
        if key in values:
            clip, weight = unit.split("/")[0], values.get(f"{key}_n", values["frames"])
            totals[clip] = totals.get(clip, 0.0) + weight * values[key]
            weights[clip] = weights.get(clip, 0.0) + weight
    return {clip: (totals[clip] / weight if weight else 0.0, weight) for clip, weight in weights.items()}


def _identity(cells: Sequence[Cell], metric: str, entry: Entry, plan: Plan, store: RunStore) -> dict[str, Any]:
    """What two numbers of a column must share; None where it is not known yet."""
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
        "sample count": entry.number.n if entry.number else None,
        "clips scored": _bound([cell.evaluate[metric] for cell in cells], store),
    }


def _bound(steps: Sequence[Step], store: RunStore) -> dict[str, Any] | None:
    """What the protocol found in the data, from the records of all seeds; `seeds differ` where they do not agree."""
    found = [store.record(step).get("bound") for step in steps if store.is_done(step)]
    if not found or all(bound == found[0] for bound in found):
        return found[0] if found else None
    return {"seeds differ": found}


_KNOWN_LATER = ("sample count", "clips scored")
"""Aspects of a number that are known when it is there."""


def _differences(lines: Sequence[Line]) -> Iterator[tuple[str, str, str]]:
    """(label, column key, sentence) for every entry that differs from the first line that has the column."""
    first: dict[tuple[str, str], tuple[str, Any]] = {}
    for line in lines:
        for key, identity in line.identity.items():
            for aspect, value in identity.items():
                if aspect in _KNOWN_LATER and value is None:
                    continue
                label, expected = first.setdefault((key, aspect), (line.label, value))
                if value != expected:
                    yield line.label, key, _sentence(line.label, label, key, aspect, value, expected)


def _sentence(label: str, other: str, key: str, aspect: str, value: Any, expected: Any) -> str:
    values = f"{_short(value, expected)} against {_short(expected, value)}"
    return f"{label!r} and {other!r} differ in the {aspect} of {key} ({values})"


def _short(value: Any, other: Any) -> str:
    """Only what differs, where both are dictionaries."""
    if isinstance(value, dict) and isinstance(other, dict):
        return ", ".join(f"{k} {_short(v, other.get(k))}" for k, v in value.items() if v != other.get(k))
    return str(value)


def _marked(lines: Sequence[Line], foreign: set[tuple[str, str]]) -> list[Line]:
    return [
        replace(
            line,
            entries={key: replace(entry, foreign=(line.label, key) in foreign) for key, entry in line.entries.items()},
        )
        for line in lines
    ]


def _with_best(lines: list[Line], columns: Sequence[Column]) -> list[Line]:
    """Mark the best method row of every column, and every other whose interval holds the best value."""
    for column in columns:
        best = best_value(lines, column)
        if best is not None:
            lines = [_mark_best(line, column.key, best) for line in lines]
    return lines


def best_value(lines: Sequence[Line], column: Column) -> float | None:
    """The best mean among method rows; None where fewer than two can be compared."""
    numbers = [line.entries[column.key].number for line in lines if line.group == "method"]
    means = [number.mean for number in numbers if number is not None]
    truth = next((line.entries[column.key].number for line in lines if line.method == "ground_truth"), None)
    if len(means) < 2 or (column.direction == "closer to ground truth" and truth is None):
        return None
    distance = {"lower": lambda x: x, "higher": lambda x: -x, "closer to ground truth": lambda x: abs(x - truth.mean)}
    return min(means, key=distance[column.direction])


def _mark_best(line: Line, key: str, best: float) -> Line:
    entry = line.entries[key]
    if line.group != "method" or entry.number is None or entry.foreign:
        return line
    is_best = entry.number.mean == best or entry.number.contains(best)
    return replace(line, entries={**line.entries, key: replace(entry, is_best=is_best)})


_INTERVALS = {
    "clips": "clip bootstrap, crossed with seeds, for {}",
    "seeds": "Student's t over seeds for {}",
    "none": "none for {} where only one seed was run",
}


def _remarks(plans: Sequence[Plan], lines: Sequence[Line], store: RunStore, mixed: bool) -> Iterator[str]:
    """What a reader must know to use the numbers."""
    for plan in plans:
        yield f"Protocol {plan.protocol.name} ({plan.protocol.hash}): {plan.protocol.description}"
    kinds = {
        kind: sorted(
            {key for line in lines for key, e in line.entries.items() if e.number and e.number.interval == kind}
        )
        for kind in _INTERVALS
    }
    told = [text.format(", ".join(kinds[kind])) for kind, text in _INTERVALS.items() if kinds[kind]]
    if told:
        yield "± is half of the 95 % interval: " + "; ".join(told) + "."
    yield from _facts(plans[0], store)
    entries = [line.entries[key] for line in lines for key in line.identity]
    absent = sum(entry.status != "done" for entry in entries)
    if absent:
        yield f"{absent} of {len(entries)} numbers are not there yet: `gesturebench run` makes them."
    if mixed:
        yield "† measured under another protocol, on other data or with another encoder than the first row."
    for line in lines:
        if line.note:
            yield f"{line.label}: {line.note}."


def _facts(plan: Plan, store: RunStore) -> Iterator[str]:
    """Numbers of an evaluator that are the same for every row: its encoder, its ceiling."""
    for metric in plan.metrics:
        keys = {column.key for column in get_evaluator(metric).columns}
        found = [
            store.record(cell.evaluate[metric])["metrics"]
            for cell in plan.cells
            if store.is_done(cell.evaluate[metric])
        ]
        if not found:
            continue
        shared = {
            k: v
            for k, v in found[0].items()
            if k not in keys and isinstance(v, str | int | float) and all(m.get(k) == v for m in found)
        }
        yield (
            f"{metric}: "
            + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in shared.items())
            + "."
        )
