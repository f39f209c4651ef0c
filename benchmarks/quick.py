"""Quick grids on the command line: `rag_gesture[retrieval=none,discourse; guidance.lr=0.05,0.1]`.

    grid  = row { "+" row }
    row   = METHOD [ "[" axis { ";" axis } "]" ]
    axis  = KEY "=" value { "," value }
          | KEY { "," KEY } "=" tuple { "," tuple }
    tuple = "(" value { "," value } ")"
    value = WORD | NUMBER | true | false | null | "quoted" | "[" value { "," value } "]"

Axes multiply; the keys of one axis walk together. A key is the dotted name of a setting, or of a section that has a
principal one (`retrieval` for `retrieval.strategy`).
"""

import json
import re
from typing import Any

from gesturebench.benchmarks.grid import Grid, Row, checked
from gesturebench.common.errors import InputError

ANCHORS = frozenset({"ground_truth", "reconstruction", "vq_reconstruction", "random_clip"})
"""Methods that bound the scale rather than compete."""

HINT = "see docs/grids.md for the grammar"

_DEEPEST = 20
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_WORD = re.compile(r"[^\s,;=()\[\]\"']+")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def is_quick(text: str) -> bool:
    """Whether a text can only be meant as a quick grid: nothing else has brackets or a plus, and no ending of a
    file."""
    return any(mark in text for mark in "[]+") and not text.endswith((".yaml", ".yml"))


def quick_rows(text: str) -> tuple[Row, ...]:
    """The rows that a text declares; a fault shows the place.

    >>> [row.axes for row in quick_rows("a[x=1,2; y,z=(1,b),(2,c)] + b")]
    [({'x': [1, 2]}, {'y': [1, 2], 'z': ['b', 'c']}), ()]
    """
    reader = _Reader(text)
    rows = [_row(reader)]
    while reader.took("+"):
        rows.append(_row(reader))
    if not reader.at_end:
        raise reader.fault("the end or '+'" if rows[-1].axes else "the end, '+' and another method, or '['")
    return tuple(rows)


def quick_grid(text: str, data: str, protocol: str, preset: str) -> Grid:
    """A grid of the rows that a text declares, expanded."""
    grid = Grid.parse({"title": text, "data": data, "protocol": protocol, "preset": preset, "rows": quick_rows(text)})
    return checked(grid, text)


def _row(reader: "_Reader") -> Row:
    method, axes = reader.name("the name of a method"), []
    if reader.took("["):
        axes.append(_axis(reader))
        while reader.took(";"):
            axes.append(_axis(reader))
        reader.must("]", "',' and another value, ';' and another axis, or ']'")
    group = "anchor" if method in ANCHORS else "method"
    return Row(label=method, method=method, group=group, axes=tuple(axes))


def _axis(reader: "_Reader") -> dict[str, list[Any]]:
    keys = [reader.name("the name of a setting")]
    while reader.took(","):
        keys.append(reader.name("the name of a setting"))
    reader.must("=", "'='")
    if len(keys) == 1:
        return {keys[0]: _several(reader, _value)}
    tuples = _several(reader, lambda inner: _tuple(inner, len(keys)))
    return {key: list(column) for key, column in zip(keys, zip(*tuples))}


def _several(reader: "_Reader", one) -> list[Any]:
    found = [one(reader)]
    while reader.took(","):
        found.append(one(reader))
    return found


def _tuple(reader: "_Reader", size: int) -> list[Any]:
    start = reader.must("(", f"'(' and {size} values, one for each key")
    values = _several(reader, _value)
    reader.must(")", "')'")
    if len(values) != size:
        raise reader.fault(f"{size} values, one for each key", start)
    return values


def _value(reader: "_Reader") -> Any:
    if reader.took("["):
        return _list(reader)
    quoted = reader.match(_QUOTED)
    if quoted is not None:
        return quoted[1:-1]
    word = reader.match(_WORD)
    if word is None:
        raise reader.fault("a value")
    return scalar(word)


def _list(reader: "_Reader") -> list[Any]:
    reader.depth += 1
    if reader.depth > _DEEPEST:
        raise reader.fault(f"at most {_DEEPEST} lists in one another")
    values = _several(reader, _value)
    reader.must("]", "']'")
    reader.depth -= 1
    return values


def scalar(word: str) -> Any:
    """A word as the value that it spells.

    >>> [scalar(word) for word in ("3", "1e-4", "true", "null", "none", "NaN")]
    [3, 0.0001, True, None, 'none', 'NaN']
    """
    try:
        return json.loads(word, parse_constant=str)
    except ValueError:  # no JSON, or a number of thousands of digits
        return word


class _Reader:
    """A place in a text, moved on by what is found there; spaces count for nothing."""

    def __init__(self, text: str):
        self.text, self.at = re.sub(r"\s", " ", text), 0  # one line, so that the caret stands where it should
        self.depth = 0  # of lists
        self._skip()

    @property
    def at_end(self) -> bool:
        return self.at == len(self.text)

    def match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        self._skip()
        return found[0]

    def name(self, what: str) -> str:
        found = self.match(_NAME)
        if found is None:
            raise self.fault(what)
        return found

    def took(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        self._skip()
        return True

    def must(self, mark: str, expected: str) -> int:
        """Take the mark, or fail with what was expected; returns where it stood."""
        start = self.at
        if not self.took(mark):
            raise self.fault(expected)
        return start

    def fault(self, expected: str, at: int | None = None) -> InputError:
        at = self.at if at is None else at
        found = "the end" if at == len(self.text) else repr(self.text[at])
        caret = f"{HINT}\n  {self.text}\n  {' ' * at}^"
        return InputError(f"quick grid, character {at + 1}: found {found}", expected=expected, remedy=caret)

    def _skip(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()
