"""Errors that are the user's to mend: they name the value, the expectation and the remedy, and end with exit code 2."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any


class InputError(Exception):
    """Something outside the program is wrong: a file, a value, a name. Shown in one line, without a traceback.

    >>> raise InputError("a.npz: poses have shape (10, 64)", expected="(n, 165)", remedy="export all 55 joints")
    Traceback (most recent call last):
    gesturebench.common.errors.InputError: a.npz: poses have shape (10, 64); expected (n, 165); export all 55 joints
    """

    exit_code = 2

    def __init__(self, what: str, *, expected: str | None = None, remedy: str | None = None):
        self.what, self.expected, self.remedy = what, expected, remedy
        super().__init__("; ".join(filter(None, (what, expected and f"expected {expected}", remedy))))

    def __reduce__(self):
        return _rebuild, (type(self), self.what, self.expected, self.remedy)


def _rebuild(kind: type[InputError], what: str, expected: str | None, remedy: str | None) -> InputError:
    return kind(what, expected=expected, remedy=remedy)


def shown(value: Any) -> str:
    """A value as an error shows it: as Python writes it, in one short line.

    >>> shown(["none"]), shown(list(range(1000))), len(shown("x" * 5000))
    ("['none']", '[0, 1, 2, 3, 4, 5, ...]', 100)
    """
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100
_SHORT.maxlong, _SHORT.maxlevel = 30, 3


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> InputError:
    """The error for a name that is not registered, with its near matches.

    >>> str(unknown_name("metric", "fgdd", ["fgd", "bc"]))
    "unknown metric 'fgdd'; expected one of bc, fgd; did you mean 'fgd'?"
    """
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else None
    return InputError(
        f"unknown {kind} {shown(name)}",
        expected=f"one of {', '.join(known)}" if known else "nothing (none is registered)",
        remedy=hint,
    )
