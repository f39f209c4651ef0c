"""A table as text: on the terminal, in Markdown, HTML, CSV and LaTeX. All but CSV show the same strings."""

import csv
import io
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from gesturebench.common.errors import unknown_name
from gesturebench.results.entry import Table
from gesturebench.results.latex import to_latex
from gesturebench.results.sheet import Sheet, heading, sheet_of

__all__ = ["FORMATS", "SUFFIXES", "Format", "heading", "html_table", "render", "template", "to_rich", "to_terminal"]

Format = Literal["terminal", "markdown", "csv", "latex", "html"]
SUFFIXES: dict[str, Format] = {
    ".md": "markdown", ".csv": "csv", ".tex": "latex", ".txt": "terminal", ".html": "html",
}  # fmt: skip

NARROW = 100
"""Terminals with fewer columns than this get the narrow form of the table."""

_TEMPLATES = Path(__file__).parent / "templates"
_MARKDOWN = {"best": "**{}**", "second": "<u>{}</u>", None: "{}"}
_STYLE = {"best": "bold", "second": "underline", None: ""}


def render(table: Table | Sheet, format: str) -> str:
    """The whole table in one of `FORMATS`."""
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    return FORMATS[format](table if isinstance(table, Sheet) else sheet_of(table))


def to_markdown(sheet: Sheet) -> str:
    words = min(sheet.fixed, 2)
    rows = [_piped([head.whole for head in sheet.heads])]
    rows.append("|" + " --- |" * words + " ---: |" * (len(sheet.heads) - words))
    for title, lines in sheet.sections:
        if title:
            rows.append(f"| *{title}* |" + " |" * (len(sheet.heads) - 1))
        rows += [_piped([_MARKDOWN[words.mark].format(_escaped(words.text)) for words in line]) for line in lines]
    setting = f" {sheet.setting}" if sheet.setting else ""
    return "\n".join([f"**{sheet.title}.**{setting}", "", *rows, "", *(f"- {r}" for r in sheet.remarks)]) + "\n"


def _piped(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _escaped(text: str) -> str:
    r"""Signs of Markdown in front of themselves; a star behind a number stays one.

    >>> _escaped("a|b*")
    'a\\|b\\*'
    """
    return text.replace("|", r"\|").replace("*", r"\*")


def to_csv(sheet: Sheet) -> str:
    """The numbers in full, see `Sheet.records`."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(sheet.records)
    return out.getvalue()


def to_html(sheet: Sheet) -> str:
    """One page that needs no other file."""
    return template("table.html").render(sheet=sheet, table=html_table(sheet))


def html_table(sheet: Sheet, links: Mapping[str, str] | None = None) -> str:
    """The table element alone, for pages of its kind; `links` by row label."""
    return template("table_element.html").render(sheet=sheet, links=links or {})


@cache
def template(name: str):
    """A page of the folder `templates`."""
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader(_TEMPLATES)
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader).get_template(name)


def to_rich(sheet: Sheet, width: int):
    """A rich table for a terminal of `width` columns; groups are sections. On a narrow one, what is not a number moves
    into the first column."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    out = RichTable(title=Text(sheet.caption), box=box.SIMPLE_HEAD, title_justify="left")
    narrow = width < NARROW and sheet.fixed > 1
    names = [head.text for head in sheet.heads[: sheet.fixed]]
    for place, name in enumerate([f"({', '.join(name.lower() for name in names[1:])})"] if narrow else names):
        side = "left" if narrow or place < 2 else "right"
        out.add_column(name, justify=side, no_wrap=place > 0, overflow="fold")
    for head in sheet.heads[sheet.fixed :]:
        out.add_column(head.whole, justify="right", min_width=6, no_wrap=width >= NARROW and not head.over)
    for title, rows in sheet.sections:
        if title:
            out.add_row(Text(title, style="italic"))
        for row in rows:
            label, *others = (words.text for words in row[: sheet.fixed])
            indent = "  " if title else ""
            fixed = (f"{label} ({', '.join(others)})",) if narrow else (indent + label, *others)
            numbers = (Text(words.text, style=_STYLE[words.mark]) for words in row[sheet.fixed :])
            out.add_row(*map(Text, fixed), *numbers)
        out.add_section()
    return out


def to_terminal(table: Table | Sheet, width: int | None = None) -> str:
    """The terminal's table as plain text, for files and pipes."""
    from rich.console import Console

    sheet = table if isinstance(table, Sheet) else sheet_of(table)
    out = io.StringIO()
    console = Console(file=out, width=width or 160)
    console.print(to_rich(sheet, console.width))
    for remark in sheet.remarks:
        console.print(remark, markup=False, highlight=False, soft_wrap=True)
    return out.getvalue()


FORMATS: dict[Format, Callable[[Sheet], str]] = {
    "terminal": to_terminal, "markdown": to_markdown, "csv": to_csv, "latex": to_latex, "html": to_html,
}  # fmt: skip
