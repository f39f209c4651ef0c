"""The answer to a query as text: aligned for the terminal, Markdown, CSV and JSON. The last two have every digit."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from gesturebench.results.query import Answer

_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL")


def to_terminal(answer: Answer) -> str:
    """Columns two spaces apart, numbers to the right; lines are as long as they are."""
    rows = [answer.columns, *(tuple(map(_short, row)) for row in answer.rows)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(_set(text, *at) for text, *at in zip(row, widths, _right(answer))).rstrip() for row in rows]
    count = f"({len(answer.rows)} row{'' if len(answer.rows) == 1 else 's'})"
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:], count]) + "\n"


def to_markdown(answer: Answer) -> str:
    rules = ["---:" if right else "---" for right in _right(answer)]
    rows = [answer.columns, rules, *(tuple(map(_short, row)) for row in answer.rows)]
    return "".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |\n" for row in rows)


def to_csv(answer: Answer) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(["" if value is None else value for value in row] for row in answer.rows)
    return out.getvalue()


def to_json(answer: Answer) -> str:
    """A list of objects; JSON columns are objects in it, numbers that are none are null."""
    rows = [
        {name: _as_json(value, kind) for name, kind, value in zip(answer.columns, answer.types, row)}
        for row in answer.rows
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False, default=str, allow_nan=False) + "\n"


TEXTS: Mapping[str, Callable[[Answer], str]] = {
    "terminal": to_terminal,
    "markdown": to_markdown,
    "csv": to_csv,
    "json": to_json,
}


def _right(answer: Answer) -> list[bool]:
    return [kind.startswith(_NUMBERS) or "INT" in kind for kind in answer.types]


def _set(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _short(value: Any) -> str:
    """Six significant digits; nothing where there is none; one line whatever the text holds."""
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def _as_json(value: Any, kind: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return json.loads(value) if kind == "JSON" and value is not None else value
