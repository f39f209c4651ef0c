"""A worker process: takes jobs from a pipe, reports progress and outcome through it, and never outlives its runner."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NoReturn

from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.job import Job
from gesturebench.common.errors import InputError
from gesturebench.common.progress import Progress

Execute = Callable[[Job, Progress], None]

_TAIL = 4000
_REPORT_EVERY_S = 0.2


def serve(connection: Connection, runner_pid: int, execute: Execute | None) -> None:
    """Work until the runner sends None or is gone. Sends `("progress", done, total)` now and then and `("ended",
    Failure | None)` once per job."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal group; the runner decides
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with, args=(runner_pid,), daemon=True).start()
    if execute is None:
        from gesturebench.benchmarks.steps import execute
        from gesturebench.common.threads import limit_threads

        limit_threads()
    while (job := _next_job(connection)) is not None:
        connection.send(("ended", attempt(execute, job, _Reporter(connection))))


def attempt(execute: Execute, job: Job, progress: Progress) -> Failure | None:
    """Run a job; a failure is a value."""
    try:
        execute(job, progress)
    except InputError as error:
        return Failure("input", type(error).__name__, str(error), _tail())
    except Exception as error:
        return Failure("error", type(error).__name__, str(error).strip() or "(no message)", _tail())
    return None


def _tail() -> str:
    return traceback.format_exc()[-_TAIL:]


def _next_job(connection: Connection) -> Job | None:
    try:
        return connection.recv()
    except EOFError:
        return None


class _Reporter:
    """Progress that is sent at most five times a second."""

    def __init__(self, connection: Connection):
        self.connection, self.last = connection, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last >= _REPORT_EVERY_S:
            self.last = now
            self.connection.send(("progress", done, total))


def _leave(number: int, frame: object) -> NoReturn:
    """Unwind, so that half-written files and processes of our own are cleared away."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _leave_with(runner_pid: int) -> None:
    """A killed runner cannot tell its workers; they see that they have been adopted."""
    while os.getppid() == runner_pid:
        time.sleep(0.25)
    os._exit(1)
