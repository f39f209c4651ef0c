"""Progress that tells the truth: a callback that long loops call, and by which they learn that they should stop."""

import contextlib
import signal
from collections.abc import Callable, Iterator

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` by every loop that may take longer than two seconds. May raise `Stopped`: what is
worth keeping is then saved and the exception passed on."""

STOP_SIGNALS = frozenset({signal.SIGUSR2, signal.SIGTERM})
"""Where they are blocked they are not delivered but wait, and whoever may stop looks for them. No handlers: those would
run in the middle of anything, and in children that know nothing of it."""


class Stopped(BaseException):
    """Somebody asked this process to end soon (a time limit, a preemption). No `Exception`: a loop that survives errors
    must not survive this."""


def silent(done: int, total: int) -> None:
    """The progress of nobody watching."""


def asked_to_stop() -> bool:
    """Whether a stop signal that this process has blocked has arrived; once true it stays true."""
    return bool(signal.sigpending() & STOP_SIGNALS)


@contextlib.contextmanager
def blocked(*signals: signal.Signals) -> Iterator[None]:
    """Block signals; processes that are started in the block are born with them blocked, and so are their children.
    This one hears afterwards what came meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
