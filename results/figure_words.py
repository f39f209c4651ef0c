"""What figures say in words, and which columns of a table they show."""

from collections.abc import Iterable, Sequence

from gesturebench.benchmarks.plan import Plan
from gesturebench.common.errors import unknown_name
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.results.entry import Entry, Line, Table
from gesturebench.results.figure_style import NothingToDraw
from gesturebench.results.remarks import setting_of

STANDIN = "stand-in corpus, not BEAT2"
_TOLD = 12
"""Rows without a number that are named."""
_INTERVALS = {
    "clips": "bootstrap over clips, crossed with seeds",
    "seeds": "Student's t over seeds",
    "draws": "replications of the metric's draws",
}


def title_of(plan: Plan, what: str) -> str:
    return f"{plan.grid.title}: {what}" + (f" ({STANDIN})" if plan.is_standin else "")


def measured(plan: Plan, table: Table, metrics: Sequence[str]) -> tuple[Column, ...]:
    """Of the columns of a grid's table those that are asked for and hold a number."""
    asked = chosen_columns(plan, metrics)
    with_numbers = tuple(c for c in asked if any(line.entries[c.key].number for line in table.lines))
    if not with_numbers:
        raise NothingToDraw(
            f"{plan.grid.title}: no number of {', '.join(c.key for c in asked)} is there yet",
            remedy="run the grid first; `gesturebench status` says how far it is",
        )
    return with_numbers


def chosen_columns(plan: Plan, names: Sequence[str]) -> tuple[Column, ...]:
    """Columns by their own keys or by the names of metrics, which stand for all they give; none named: all."""
    by_metric = {metric: get_evaluator(metric).columns for metric in plan.metrics}
    by_key = {column.key: (column,) for columns in by_metric.values() for column in columns}
    known = by_key | by_metric
    for name in names:
        if name not in known:
            raise unknown_name("metric", name, known)
    return tuple({column.key: column for name in names or by_metric for column in known[name]}.values())


def numbers_caption(plan: Plan, table: Table, columns: Sequence[Column], *said: str) -> str:
    """How many clips and seeds, protocol, data, what the intervals are, which batches were smaller than
    configured, and what is not there yet."""
    lines = [line for line in table.lines if any(line.entries[c.key].number for c in columns)]
    sentences = [
        setting_of([plan], lines),
        _on_intervals(lines, columns),
        _on_oracles(lines),
        *said,
        *table.smaller_batches,
        absent(table.lines, columns),
    ]
    return " ".join(filter(None, sentences))


def _on_intervals(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    found = [(c, n.interval) for c in columns for line in lines if (n := line.entries[c.key].number)]
    told = [text for kind, text in _INTERVALS.items() if kind in {kind for _, kind in found}]
    if not told:
        return "One seed and no values by clip: no intervals."
    none = dict.fromkeys(c.heading for c, kind in found if kind == "none")
    return f"95 % intervals: {'; '.join(told)}{f'; none for {_listed(none)} of one seed' if none else ''}."


def _on_oracles(lines: Sequence[Line]) -> str:
    found = [line.label for line in lines if line.group == "oracle"]
    return f"Reads the truth, not comparable with the others: {_listed(found)}." if found else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def absent(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    """`Without a number: A (running), B: FGD (failed).` Empty where nothing is missing."""
    found = []
    for line in lines:
        gaps = [(c, line.entries[c.key]) for c in columns if line.entries[c.key].number is None]
        states = {state_of(entry) for _, entry in gaps}
        if len(gaps) == len(columns) and len(states) == 1:
            found.append(f"{line.label} ({states.pop()})")
        else:
            found += [f"{line.label}: {c.heading} ({state_of(entry)})" for c, entry in gaps]
    more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return f"Without a number: {', '.join(found[:_TOLD])}{more}." if found else ""


def state_of(entry: Entry) -> str:
    """A finished step without a number found nothing of its kind in the clips."""
    return "not defined" if entry.status == "done" else entry.status
