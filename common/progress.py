"""Progress that tells the truth: a callback that long loops call, and by which they learn that they should stop."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` by every loop that may take longer than two seconds. May raise `Stopped`: what is
worth keeping is then saved and the exception passed on."""


class Stopped(BaseException):
    """Somebody asked this process to end soon (a time limit, a preemption). No `Exception`: a loop that survives errors
    must not survive this."""


def silent(done: int, total: int) -> None:
    """The progress of nobody watching."""
