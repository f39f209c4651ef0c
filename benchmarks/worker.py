"""A worker process: takes jobs from a pipe, reports progress and outcome through it, and never outlives its runner."""

import contextlib
import faulthandler
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NoReturn

from gesturebench.benchmarks.failure import Failure, failure_of
from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.log import TAIL, speaking_into
from gesturebench.common.parallel import end_with
from gesturebench.common.progress import Progress, Stopped, asked_to_stop

Execute = Callable[[Job, Progress], None]

_REPORT_EVERY_S = 0.2


def serve(connection: Connection, runner_pid: int, execute: Execute | None, patient: bool = False) -> None:
    """Work until the runner sends None or is gone. Sends `("progress", done, total)` now and then, and once per job
    `("ended", Failure | None)` or `("stopped",)`. A `patient` worker takes TERM for a request to stop, as it takes
    USR2."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal group; the runner decides
    if not patient:
        signal.signal(signal.SIGTERM, _leave)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    faulthandler.enable()
    end_with(runner_pid)
    if execute is None:
        from gesturebench.benchmarks.steps import execute
        from gesturebench.common.threads import limit_threads

        limit_threads()
    with contextlib.suppress(BrokenPipeError):  # the runner is gone, so nobody wants to know
        while (job := _next_job(connection)) is not None:
            connection.send(_outcome(execute, job, _Reporter(connection)))


def _outcome(execute: Execute, job: Job, progress: Progress) -> tuple:
    try:
        return "ended", attempt(execute, job, progress)
    except Stopped:
        return ("stopped",)


def attempt(execute: Execute, job: Job, progress: Progress) -> Failure | None:
    """Run a job, with what it prints in its log; a failure is a value."""
    try:
        with speaking_into(job.log):
            return _executed(execute, job, progress)
    except Exception as error:  # the log itself cannot be written
        return failure_of(error, _tail())


def _executed(execute: Execute, job: Job, progress: Progress) -> Failure | None:
    try:
        execute(job, progress)
    except Exception as error:
        print(traceback.format_exc(), file=sys.stderr, end="")
        return failure_of(error, _tail())
    return None


def _tail() -> str:
    return traceback.format_exc()[-TAIL:]


def _next_job(connection: Connection) -> Job | None:
    try:
        return connection.recv()
    except EOFError:
        return None


class _Reporter:
    """Progress that is sent at most five times a second; raises `Stopped` when this process was asked to."""

    def __init__(self, connection: Connection):
        self.connection, self.last = connection, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        stop = asked_to_stop()
        if stop or now - self.last >= _REPORT_EVERY_S:
            self.last = now
            self.connection.send(("progress", done, total))
        if stop:
            raise Stopped


def _leave(number: int, frame: object) -> NoReturn:
    """Unwind, so that half-written files and processes of our own are cleared away."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)
