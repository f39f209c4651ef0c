"""A table as words in places: what every printed form shows, whatever it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gesturebench.evaluators.base import Column, Direction
from gesturebench.results.entry import Entry, Line, Table
from gesturebench.results.marks import Mark

ARROWS: dict[Direction, str] = {"lower": "↓", "higher": "↑", "closer to ground truth": "≈GT"}
NOT_AVAILABLE = "not available"


@dataclass(frozen=True)
class Words:
    """One place of a sheet."""

    text: str
    mark: Mark | None = None


@dataclass(frozen=True)
class Head:
    """A column's heading; neighbours with the same `over` share it as a heading above theirs."""

    text: str
    direction: Direction | None = None
    over: str = ""

    @property
    def whole(self) -> str:
        """In one line, with an arrow to the better side."""
        arrow = ARROWS[self.direction] if self.direction else ""
        return " ".join(filter(None, (self.over, arrow, self.text) if self.over else (self.text, arrow)))


@dataclass(frozen=True)
class Sheet:
    """Title, setting (N, protocol, data), heads of which the first `fixed` are no numbers, sections of rows with their
    headings ("" for none), remarks for below; `records` are the numbers in full, a header first, for CSV."""

    title: str
    setting: str
    heads: tuple[Head, ...]
    fixed: int
    sections: tuple[tuple[str, tuple[tuple[Words, ...], ...]], ...]
    remarks: tuple[str, ...]
    records: tuple[tuple[Any, ...], ...]

    @property
    def caption(self) -> str:
        return f"{self.title}. {self.setting}".strip()


def heading(column: Column) -> str:
    return f"{column.heading} {ARROWS[column.direction]}"


def entry_text(entry: Entry, column: Column, scale: float = 1) -> str:
    """`0.412 ±0.031`, or the state of what is not there yet; `scale` as a paper prints it.

    >>> entry_text(Entry(None, "failed"), Column("fgd", "FGD", "lower"))
    'failed'
    >>> entry_text(Entry(None, "running", seeds_done=1, seeds=3), Column("fgd", "FGD", "lower"))
    'running, 1/3 seeds'
    """
    number, digits = entry.number, column.decimals
    if number is None:
        state = "" if entry.status in ("missing", "done") else entry.status
        some = f"{entry.seeds_done}/{entry.seeds} seeds" if 0 < entry.seeds_done < entry.seeds else ""
        return ", ".join(filter(None, (state, some))) or "-"
    spread = "" if number.interval == "none" else f" ±{scale * number.half_width:z.{digits}f}"
    differs = entry.against_baseline is not None and entry.against_baseline.real
    return f"{scale * number.mean:z.{digits}f}{spread}{'†' if entry.foreign else ''}{'*' if differs else ''}"


def sheet_of(table: Table) -> Sheet:
    """Label, query, seeds and clips, then a column for every number."""
    heads = (Head(""), Head("Query"), Head("Seeds"), Head("Clips"))
    heads += tuple(Head(column.heading, column.direction) for column in table.columns)
    sections = tuple((title, tuple(_row(line, table.columns) for line in lines)) for title, lines in table.groups())
    return Sheet(table.title, table.setting, heads, 4, sections, table.remarks, tuple(_records(table)))


def _row(line: Line, columns: Sequence[Column]) -> tuple[Words, ...]:
    fixed = line.label, line.query or "-", str(len(line.seeds)), "-" if line.clips is None else str(line.clips)
    entries = ((line.entries[column.key], column) for column in columns)
    return (*map(Words, fixed), *(Words(entry_text(entry, column), entry.mark) for entry, column in entries))


RECORD = (
    "title", "group", "row", "query", "seeds", "column", "mean", "low", "high", "interval", "n", "status",
    "other_protocol", "seeds_done", "mark", "p_best", "p_baseline",
)  # fmt: skip
"""The columns of a table's CSV form, one line per row and number: raw values in full precision; p after Holm's
correction."""


def _records(table: Table):
    yield RECORD
    for line in table.lines:
        for column in table.columns:
            entry = line.entries[column.key]
            fixed = table.title, line.group, line.label, line.query, " ".join(map(str, line.seeds)), column.key
            yield (*fixed, *number_record(entry), entry.status, entry.foreign, *verdict_record(entry))


def number_record(entry: Entry) -> tuple[Any, ...]:
    """mean, low, high, interval, n."""
    number = entry.number
    return (repr(number.mean), repr(number.low), repr(number.high), number.interval, number.n) if number else ("",) * 5


def verdict_record(entry: Entry) -> tuple[Any, ...]:
    """seeds_done, mark, p_best, p_baseline."""
    verdicts = entry.against_best, entry.against_baseline
    p_values = (f"{v.p:.6g}" if v is not None and v.p is not None else "" for v in verdicts)
    return entry.seeds_done, entry.mark or "", *p_values
