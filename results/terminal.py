"""A table on the terminal, whatever its width: every label can be read and no number is cut."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gesturebench.results.entry import Table
from gesturebench.results.sheet import Sheet, Words, sheet_of

LABEL = 20
"""Columns of the terminal that the row's label gets at least, if it is that long."""

_ENDLESS = 100_000
_GAP, _EDGE = 3, 1
"""What rich puts between two columns and before the first."""
_STYLE = {"best": "bold", "second": "underline", None: ""}

_Row = tuple[Words, ...] | str
"""The places of a row, or the heading of a section."""


@dataclass(frozen=True)
class _Form:
    """A way to set a table: whether what is no number stands in the label's column, whether headings and numbers may be
    broken between words."""

    merged: bool
    heads_break: bool
    numbers_break: bool


_FORMS = (_Form(False, False, False), _Form(False, True, False), _Form(True, True, False), _Form(True, True, True))
"""From the most comfortable to the narrowest."""


@dataclass(frozen=True)
class _Grid:
    """Headings, rows with the headings of sections among them, the width that each column takes (the label's is that
    of all its words in one line), and how many columns are words."""

    heads: Sequence[str]
    rows: Sequence[_Row]
    widths: Sequence[int]
    words: int

    @property
    def least(self) -> list[int]:
        """The widths with the smallest one for the label."""
        return [min(self.widths[0], LABEL), *self.widths[1:]]


def to_rich(sheet: Sheet, width: int):
    """The caption and a rich table for a terminal of `width` columns; groups are sections. Where it takes too much
    room, what is not a number moves into the first column, headings and numbers break between words, and at last the
    table goes on below itself."""
    from rich.console import Group
    from rich.text import Text

    for form in _FORMS:
        grid = _grid(sheet, form)
        if _total(grid.least) <= width:
            break
    return Group(Text(sheet.caption), *(_table(grid, part, width) for part in _parts(grid.least, width)))


def to_terminal(table: Table | Sheet, width: int | None = None) -> str:
    """The terminal's table as plain text, for files and pipes; without a width as wide as it takes."""
    from rich.console import Console

    sheet = table if isinstance(table, Sheet) else sheet_of(table)
    out = io.StringIO()
    console = Console(file=out, width=width or _ENDLESS)
    console.print(to_rich(sheet, console.width))
    for remark in sheet.remarks:
        console.print(remark, markup=False, highlight=False, soft_wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _grid(sheet: Sheet, form: _Form) -> _Grid:
    names = [head.text for head in sheet.heads[: sheet.fixed]]
    merged = form.merged and sheet.fixed > 1
    heads = [f"({', '.join(name.lower() for name in names[1:])})"] if merged else names
    heads += [head.whole for head in sheet.heads[sheet.fixed :]]
    rows: list[_Row] = []
    for title, lines in sheet.sections:
        rows.append(title)
        for line in lines:
            label, *others = (words.text for words in line[: sheet.fixed])
            told = (f"{label} ({', '.join(others)})",) if merged else ("  " * bool(title) + label, *others)
            rows.append((*map(Words, told), *line[sheet.fixed :]))
    lines = [row for row in rows if not isinstance(row, str)]
    cells = [[line[n].text for line in lines] for n in range(len(heads))]
    widths = [
        max(_broken(head, form.heads_break), *(_broken(cell, form.numbers_break and n > 0) for cell in cells[n]), 1)
        for n, head in enumerate(heads)
    ]
    return _Grid(heads, rows, widths, 1 if merged else min(2, sheet.fixed))


def _broken(text: str, breaks: bool) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, text.split()), default=0) if breaks else cell_len(text)


def _total(widths: Sequence[int]) -> int:
    return _EDGE + sum(width + _GAP for width in widths)


def _parts(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """Numbers of the columns that stand side by side behind the label, at least one."""
    part: list[int] = []
    for number in range(1, len(widths)):
        if part and _total([widths[n] for n in (0, *part, number)]) > width:
            yield part
            part = []
        part.append(number)
    yield part


def _table(grid: _Grid, part: Sequence[int], width: int):
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    out = RichTable(box=box.SIMPLE_HEAD)
    room = width - _total([grid.widths[number] for number in part]) - _GAP
    out.add_column(grid.heads[0], width=max(1, min(grid.widths[0], room)), overflow="fold")
    for number in part:
        side = "left" if number < grid.words else "right"
        out.add_column(grid.heads[number], justify=side, width=grid.widths[number], overflow="fold")
    for place, row in enumerate(grid.rows):
        if not isinstance(row, str):
            out.add_row(*(Text(row[n].text, style=_STYLE[row[n].mark]) for n in (0, *part)))
            continue
        if place:
            out.add_section()
        if row:
            out.add_row(Text(row, style="italic"))
    return out
