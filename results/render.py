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
from gesturebench.results.terminal import to_rich, to_terminal

__all__ = ["FORMATS", "SUFFIXES", "Format", "heading", "html_table", "render", "template", "to_rich", "to_terminal"]

Format = Literal["terminal", "markdown", "csv", "latex", "html"]
SUFFIXES: dict[str, Format] = {
    ".md": "markdown", ".csv": "csv", ".tex": "latex", ".txt": "terminal", ".html": "html",
}  # fmt: skip

_TEMPLATES = Path(__file__).parent / "templates"
_MARKDOWN = {"best": "**{}**", "second": "<u>{}</u>", None: "{}"}


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


FORMATS: dict[Format, Callable[[Sheet], str]] = {
    "terminal": to_terminal, "markdown": to_markdown, "csv": to_csv, "latex": to_latex, "html": to_html,
}  # fmt: skip
