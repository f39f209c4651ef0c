"""The log of an attempt: what a step and its children print, kept in a file of its own."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gesturebench.common.files import explained

TAIL = 4000
"""Characters of a log or traceback that go into a failure."""


@contextlib.contextmanager
def speaking_into(path: Path | None) -> Iterator[None]:
    """Send stdout and stderr of this process, and of children it starts, to the end of a file, line by line. The
    descriptors themselves are turned round, as libraries in C write to those."""
    if path is None:
        yield
        return
    with explained(path):
        log = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o664)
    before = os.dup(1), os.dup(2)
    _turn(log, log)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        yield
    finally:
        _turn(*before)
        for descriptor in (log, *before):
            os.close(descriptor)


def _turn(out: int, err: int) -> None:
    with contextlib.suppress(OSError):  # a full disk: what could not be written is lost, the step is not
        sys.stdout.flush()
        sys.stderr.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)


def tail(path: Path, characters: int = TAIL) -> str:
    """The end of a log; empty if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 4 * characters))
            return file.read().decode("utf-8", "replace")[-characters:]
    except OSError:
        return ""
