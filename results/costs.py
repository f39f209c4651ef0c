"""What generation cost, beside a table's numbers: seconds and evaluations of the network, read from the run records.

These were measured while a grid ran, on whatever machine and beside whatever else ran there: they are no results, and
never ranked. Latency that is to be compared is measured by the benchmarks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore
from gesturebench.results.entry import Line, Table
from gesturebench.results.sheet import Head, Sheet, Words, sheet_of

FPS = 30
HEADS = (Head("s per s", "lower"), Head("evaluations", "lower"))
REMARK = (
    "s per s: seconds of generation for a second of motion, reading of the weights included, as it was while the grid "
    "ran; evaluations: of the network, for each window of motion. The mean over seeds."
)


@dataclass(frozen=True)
class Cost:
    """Means over the seeds of a row that say so: seconds for a second of motion, and evaluations for a window."""

    seconds: float | None = None
    evaluations: float | None = None

    @property
    def texts(self) -> tuple[str, str]:
        """
        >>> Cost(0.0123, 92.0).texts, Cost().texts
        (('0.012', '92.0'), ('-', '-'))
        """
        seconds = "-" if self.seconds is None else f"{self.seconds:.3f}"
        return seconds, "-" if self.evaluations is None else f"{self.evaluations:.1f}"


def costs_of(plans: Sequence[Plan], store: RunStore) -> dict[str, Cost]:
    """By row label; empty for rows that generated nothing here."""
    cells = [cell for plan in plans for cell in plan.cells]
    steps = [cell.generate for cell in cells]
    states = store.states(steps)
    records = store.records([step for step in steps if states[step.key].status == "done"])
    found: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        found.setdefault(cell.row.label, []).append(records.get(cell.generate.key, {}).get("cost") or {})
    return {label: _mean(costs) for label, costs in found.items()}


def costed(table: Table, costs: Mapping[str, Cost]) -> Sheet:
    """The table's sheet with its costs as the last columns, and as lines of its CSV."""
    sheet = sheet_of(table)
    sections = tuple(
        (title, tuple((*row, *map(Words, costs.get(row[0].text, Cost()).texts)) for row in rows))
        for title, rows in sheet.sections
    )
    told = [record for line in table.lines for record in _records(table, line, costs.get(line.label, Cost()))]
    heads, records = (*sheet.heads, *HEADS), (*sheet.records, *told)
    return replace(sheet, heads=heads, sections=sections, records=records, remarks=(*sheet.remarks, REMARK))


def _records(table: Table, line: Line, cost: Cost) -> Iterator[tuple[Any, ...]]:
    """As the sheet's own, with a mean and no interval."""
    fixed = table.title, line.group, line.label, line.query, " ".join(map(str, line.seeds))
    for column, value in (("seconds_per_second", cost.seconds), ("evaluations", cost.evaluations)):
        if value is not None:
            yield (*fixed, column, repr(value), "", "", "none", "", "done", False, len(line.seeds), "", "", "")


def _mean(costs: Sequence[Mapping[str, Any]]) -> Cost:
    seconds = [cost["seconds"] * FPS / cost["frames"] for cost in costs if cost.get("frames")]
    counts = [cost["evaluations"] for cost in costs if cost.get("evaluations") is not None]
    return Cost(fmean(seconds) if seconds else None, fmean(counts) if counts else None)
