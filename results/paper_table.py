"""A published table with our numbers beside the printed ones, in the paper's scale and digits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from gesturebench.benchmarks.plan import Plan
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.results.entry import Entry, Line, Table
from gesturebench.results.informative import NOT_INFORMATIVE
from gesturebench.results.sheet import NOT_AVAILABLE, Head, Sheet, Words, entry_text, number_record, verdict_record
from gesturebench.results.specs import ColumnSpec, RowSpec, TableSpec

OWN_ROWS = "Rows that the paper does not have"


def own_columns(spec: TableSpec, plan: Plan, grid: int = 0) -> tuple[Column, ...]:
    """Our columns of a grid of the spec that its plan measures, read as the paper reads them: its better side, its
    digits."""
    measured = {column.key: column for metric in plan.metrics for column in get_evaluator(metric).columns}
    return tuple(
        replace(measured[column.ours], heading=_heading(column), **_as_printed(column, spec))
        for column in spec.columns
        if column.grid == grid and column.ours in measured
    )


def _as_printed(column: ColumnSpec, spec: TableSpec) -> dict[str, Any]:
    """Nothing where the paper has no such column."""
    return {"direction": spec.direction(column), "decimals": spec.decimals(column)} if column.published else {}


def _heading(column: ColumnSpec) -> str:
    return column.heading or column.published or column.ours


@dataclass(frozen=True)
class PaperTable:
    """A spec with our tables by the number of their grid, made with `own_columns`; none, with the reason in `why`,
    where nothing of ours can fill it."""

    spec: TableSpec
    tables: Mapping[int, Table]
    is_standin: bool = False
    why: str = ""

    @cached_property
    def columns(self) -> tuple[ColumnSpec, ...]:
        """Those of the paper, and of our own those that were measured."""
        return tuple(c for c in self.spec.columns if c.published or self.own_column(c) is not None)

    @cached_property
    def extra_rows(self) -> tuple[RowSpec, ...]:
        """Rows of our grids that the paper does not have."""
        known = {row.own_label for row in self.spec.rows}
        labels = dict.fromkeys(line.label for table in self.tables.values() for line in table.lines)
        return tuple(RowSpec(ours=label) for label in labels if label not in known)

    @cached_property
    def _lines(self) -> dict[tuple[int, str], Line]:
        return {(grid, line.label): line for grid, table in self.tables.items() for line in table.lines}

    def own_column(self, column: ColumnSpec) -> Column | None:
        """Ours as it was measured; None where it was not."""
        table = self.tables.get(column.grid)
        return next((c for c in table.columns if c.key == column.ours), None) if table else None

    def entry(self, row: RowSpec, column: ColumnSpec) -> Entry | None:
        """None where nothing of ours is planned."""
        line = self._lines.get((column.grid, row.own_label))
        return line.entries.get(column.ours) if line else None


def paper_sheet(paper: PaperTable) -> Sheet:
    """Published and own numbers in columns of their own under every heading."""
    spec, rows = paper.spec, [("", paper.spec.rows)]
    rows += [(OWN_ROWS, paper.extra_rows)] if paper.extra_rows else []
    return Sheet(
        title=f"{spec.title} (ours on the stand-in corpus, not BEAT2)" if paper.is_standin else spec.title,
        setting=_setting(paper),
        heads=tuple(_heads(paper)),
        fixed=1,
        sections=tuple((title, tuple(_row(row, paper) for row in some)) for title, some in rows),
        remarks=tuple(_remarks(paper)),
        records=tuple(_records(paper)),
    )


def _heads(paper: PaperTable) -> Iterator[Head]:
    yield Head("")
    ours = "ours (stand-in)" if paper.is_standin else "ours"
    for column in paper.columns:
        own, over = paper.own_column(column), _heading(column)
        direction = own.direction if own else paper.spec.direction(column)
        if column.published:
            yield Head("published", direction, over)
        empty = own is not None and own.heading.endswith(f"({NOT_INFORMATIVE})")
        yield Head(f"{ours}, {NOT_INFORMATIVE}" if empty else ours, direction, over)


def _row(row: RowSpec, paper: PaperTable) -> tuple[Words, ...]:
    words = [Words(row.name)]
    for column in paper.columns:
        if column.published:
            words.append(Words(paper.spec.printed(row, column)))
        entry = paper.entry(row, column)
        if entry is None:
            words.append(Words(NOT_AVAILABLE))
        else:
            text = entry_text(entry, paper.own_column(column), paper.spec.scale(column))
            words.append(Words(text, entry.mark))
    return tuple(words)


def _setting(paper: PaperTable) -> str:
    """What the published numbers were measured on, then ours."""
    datasets = dict.fromkeys(value.dataset for numbers in paper.spec.numbers for value in numbers.values)
    published = f"Published: {'; '.join(datasets)}." if datasets else "Published: no number could be read."
    settings = dict.fromkeys(table.setting for table in paper.tables.values())
    return f"{published} Ours: {' '.join(settings) or f'{NOT_AVAILABLE}, {paper.why}.'}"


def _remarks(paper: PaperTable) -> Iterator[str]:
    """On scales and on the published numbers first, then those of our tables."""
    spec = paper.spec
    scales = [f"{_heading(c)} x {spec.scale(c):g}" for c in paper.columns if c.published and spec.scale(c) != 1]
    if scales and paper.tables:
        yield f"Ours are printed in the paper's scale: {', '.join(scales)}."
    if paper.is_standin:
        yield (
            "Ours were measured on the stand-in corpus, with encoders trained on it: the order of rows can be compared "
            "with the published one, the size of numbers cannot."
        )
    yield from (f"Published: {note}" for note in spec.footnotes)
    values = [value for column in paper.columns for value in spec.values(column)]
    quoted = dict.fromkeys(value.source for value in values if value.is_secondary)
    if quoted:
        yield f"Published: not read in the paper itself but quoted: {'; '.join(quoted)}."
    without = [row.name for row in spec.rows if paper.tables and not any(paper.entry(row, c) for c in paper.columns)]
    if without:
        yield f"No row of ours: {', '.join(without)}."
    yield from dict.fromkeys(remark for table in paper.tables.values() for remark in table.remarks)


RECORD = (
    "title", "row", "ours", "column", "published", "published_raw", "mean", "low", "high", "interval", "n", "status",
    "seeds_done", "mark", "p_best", "p_baseline",
)  # fmt: skip
"""The columns of a published table's CSV form; `published` as printed, all others raw."""


def _records(paper: PaperTable) -> Iterator[tuple[Any, ...]]:
    yield RECORD
    rows: Sequence[RowSpec] = (*paper.spec.rows, *paper.extra_rows)
    for row in rows:
        for column in paper.columns:
            value = paper.spec.value(row, column)
            entry = paper.entry(row, column) or Entry(None, NOT_AVAILABLE)
            printed = (value.text, "" if value.raw is None else str(value.raw)) if value else ("", "")
            fixed = paper.spec.title, row.name, row.own_label, column.published or column.ours
            yield (*fixed, *printed, *number_record(entry), entry.status, *verdict_record(entry))
