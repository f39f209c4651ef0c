"""A table as text: on the terminal, in Markdown, CSV and LaTeX. All but CSV show the same strings."""

import csv
import io
from typing import Literal

from gesturebench.common.errors import unknown_name
from gesturebench.evaluators.base import Column
from gesturebench.results.table import Entry, Line, Table

Format = Literal["terminal", "markdown", "csv", "latex"]
SUFFIXES = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".txt": "terminal"}

_ARROWS = {"lower": "↓", "higher": "↑", "closer to ground truth": "≈GT"}
_LATEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "closer to ground truth": r"$\approx$GT"}
_FIXED = ("", "Query", "Seeds", "Clips")

NARROW = 100
"""Terminals with fewer columns than this get the narrow form of the table."""


def heading(column: Column) -> str:
    return f"{column.heading} {_ARROWS[column.direction]}"


def entry_text(entry: Entry, column: Column) -> str:
    """`0.412 ±0.031`, or the state of what is not there yet.

    >>> entry_text(Entry(None, "failed"), Column("fgd", "FGD", "lower"))
    'failed'
    """
    number = entry.number
    if number is None:
        return {"missing": "-", "running": "running", "failed": "failed", "done": "-"}[entry.status]
    spread = "" if number.interval == "none" else f" ±{number.half_width:.{column.decimals}f}"
    return f"{number.mean:.{column.decimals}f}{spread}" + ("†" if entry.foreign else "")


def fixed_texts(line: Line) -> tuple[str, ...]:
    return line.label, line.query, str(len(line.seeds)), "-" if line.clips is None else str(line.clips)


def to_markdown(table: Table) -> str:
    header = [*_FIXED, *(heading(column) for column in table.columns)]
    rows = ["| " + " | ".join(header) + " |", "|" + " --- |" * 2 + " ---: |" * (len(header) - 2)]
    for group, lines in table.groups():
        rows.append(f"| *{group}* |" + " |" * (len(header) - 1))
        for line in lines:
            texts = [_bold(entry_text(line.entries[c.key], c), line.entries[c.key], "**{}**") for c in table.columns]
            rows.append("| " + " | ".join([*(text.replace("|", r"\|") for text in fixed_texts(line)), *texts]) + " |")
    return "\n".join([f"**{table.title}**", "", *rows, "", *(f"- {remark}" for remark in table.remarks)]) + "\n"


def to_csv(table: Table) -> str:
    """One line per row and column, full precision: group, row, query, seeds, column, mean, low, high, interval, n,
    status, foreign."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "title",
            "group",
            "row",
            "query",
            "seeds",
            "column",
            "mean",
            "low",
            "high",
            "interval",
            "n",
            "status",
            "other_protocol",
        ]
    )
    for line in table.lines:
        for column in table.columns:
            entry = line.entries[column.key]
            number = entry.number
            values = (
                [repr(number.mean), repr(number.low), repr(number.high), number.interval, number.n]
                if number
                else ["", "", "", "", ""]
            )
            fixed = [table.title, line.group, line.label, line.query, " ".join(map(str, line.seeds)), column.key]
            writer.writerow([*fixed, *values, entry.status, entry.foreign])
    return out.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "†": r"$^\dagger$", "×": r"$\times$",
}  # fmt: skip


def latex_escaped(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    >>> latex_escaped("50 % of a_b & c")
    '50 \\% of a\\_b \\& c'
    """
    return "".join(_LATEX.get(character, character) for character in text)


def to_latex(table: Table) -> str:
    """A booktabs tabular in a table environment; needs only `booktabs`."""
    heads = [
        *(latex_escaped(name) for name in _FIXED),
        *(f"{latex_escaped(c.heading)} {_LATEX_ARROWS[c.direction]}" for c in table.columns),
    ]
    body = []
    for group, lines in table.groups():
        body += [r"\midrule", rf"\multicolumn{{{len(heads)}}}{{l}}{{\emph{{{latex_escaped(group)}}}}} \\"]
        for line in lines:
            texts = [
                _bold(latex_escaped(entry_text(line.entries[c.key], c)), line.entries[c.key], r"\textbf{{{}}}")
                for c in table.columns
            ]
            body.append(" & ".join([*map(latex_escaped, fixed_texts(line)), *texts]) + r" \\")
    caption = latex_escaped(f"{table.title}. {' '.join(table.remarks)}")
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}", r"\toprule", " & ".join(heads) + r" \\", *body,
        r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def _bold(text: str, entry: Entry, pattern: str) -> str:
    return pattern.format(text) if entry.is_best else text


def to_rich(table: Table, width: int):
    """A rich table for a terminal of `width` columns; groups are sections. On a narrow one, what is not a number moves
    into the first column."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    out = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
    narrow = width < NARROW
    for name in ("(query, seeds x clips)",) if narrow else _FIXED:
        side, whole = "left" if narrow or name in _FIXED[:2] else "right", name in _FIXED[1:]
        out.add_column(name, justify=side, no_wrap=whole, overflow="fold")
    for column in table.columns:
        out.add_column(heading(column), justify="right", min_width=6, no_wrap=not narrow)
    for group, lines in table.groups():
        out.add_row(Text(group, style="italic"))
        for line in lines:
            texts = [
                Text(entry_text(line.entries[c.key], c), style="bold" if line.entries[c.key].is_best else "")
                for c in table.columns
            ]
            fixed = (_described(line),) if narrow else ("  " + line.label, *fixed_texts(line)[1:])
            out.add_row(*map(Text, fixed), *texts)
        out.add_section()
    return out


def _described(line: Line) -> str:
    label, query, seeds, clips = fixed_texts(line)
    return f"{label} ({query}, {seeds} x {clips})"


def to_terminal(table: Table, width: int | None = None) -> str:
    """The terminal's table as plain text, for files and pipes."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width or 160)
    console.print(to_rich(table, console.width))
    for remark in table.remarks:
        console.print(remark, markup=False, highlight=False, soft_wrap=True)
    return out.getvalue()


def render(table: Table, format: str) -> str:
    renderers = {"terminal": to_terminal, "markdown": to_markdown, "csv": to_csv, "latex": to_latex}
    if format not in renderers:
        raise unknown_name("format", format, renderers)
    return renderers[format](table)
