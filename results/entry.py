"""The parts of a table: entries in lines, lines in groups."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gesturebench.benchmarks.state import Status
from gesturebench.evaluators.base import Column
from gesturebench.results.identity import Identity
from gesturebench.results.marks import Mark, Standing
from gesturebench.results.numbers import Number, Sample
from gesturebench.results.significance import Verdict

GROUPS = {
    "anchor": "Anchors",
    "method": "Methods",
    "control": "Controls",
    "oracle": "Reads the truth (not comparable with the rows above)",
}
"""Row groups in the order of the table, with their headings."""

EntryStatus = Status | Literal["not available"]
"""`not available`: the row's method, or one of its settings, is not built."""


@dataclass(frozen=True)
class Entry:
    """One place of the table: a number, or why there is none.

    `seeds_done` of the row's `seeds` have a score, `why` says what keeps the others; `mark` and `against_best` as in
    `marks.Standing`; `foreign` marks a number whose protocol differs from the first row's.
    """

    number: Number | None
    status: EntryStatus
    mark: Mark | None = None
    foreign: bool = False
    seeds_done: int = 0
    seeds: int = 0
    why: str = ""
    against_best: Verdict | None = None
    against_baseline: Verdict | None = None


@dataclass(frozen=True)
class Line:
    """One row: entries by column key, and by column key the identity of what was measured and the sample that a number
    was made from; `clips` that were scored."""

    label: str
    group: str
    method: str
    query: str
    note: str
    seeds: tuple[int, ...]
    clips: int | None
    entries: Mapping[str, Entry]
    identity: Mapping[str, Identity]
    samples: Mapping[str, Sample]


@dataclass(frozen=True)
class Table:
    """What renderers need: title, what was measured on what (`setting`), columns, lines in the order of groups, and
    remarks for below; `standings` by column key, `baseline` the label of the row that others are compared with,
    `smaller_batches` a sentence for each part of a row that was not trained as configured."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()
    setting: str = ""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    baseline: str | None = None
    smaller_batches: tuple[str, ...] = ()

    def groups(self) -> Iterator[tuple[str, list[Line]]]:
        """Heading and lines of every group that has lines."""
        for group, heading in GROUPS.items():
            lines = [line for line in self.lines if line.group == group]
            if lines:
                yield heading, lines

    @property
    def caption(self) -> str:
        return f"{self.title}. {self.setting}".strip()
