"""When a job stops: on a signal, with the right word for it, and before a step that would not fit."""

import signal
import threading
from dataclasses import dataclass

import pytest
from rich.console import Console

from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.step import Step
from gesturebench.common.progress import blocked
from gesturebench.slurm.watch import Watch

STEP = Step("fit", "f", {})


@dataclass
class Clock:
    left_s: float


@pytest.fixture
def usr2():
    """USR2 as a job has it: blocked, so that it waits until somebody looks; taken away afterwards.
    It goes to this thread alone, others of a test process do not block it."""
    with blocked(signal.SIGUSR2):
        yield lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
        if signal.SIGUSR2 in signal.sigpending():
            signal.sigwait({signal.SIGUSR2})


@pytest.mark.parametrize(("left_s", "kind"), [(3600.0, "preempted"), (100.0, "timeout")])
def test_a_warning_near_the_limit_is_about_the_limit(usr2, left_s, kind):
    watch = Watch(Console(quiet=True), Clock(left_s), warning_s=90)
    assert watch.should_stop() is False
    usr2()
    assert watch.should_stop() == kind


def test_no_step_is_begun_that_would_not_fit():
    clock = Clock(1000.0)
    watch = Watch(Console(quiet=True), clock, warning_s=90)
    watch.started(STEP)
    watch.finished(STEP, 300.0)
    assert watch.should_stop() is False
    clock.left_s = 299.0
    assert watch.should_stop() == "timeout"
    watch.started(STEP)  # one that is at work is not stopped for that
    assert watch.should_stop() is False
    watch.failed(STEP, Failure("error", "E", "m"))
    assert watch.should_stop() == "timeout"


def test_the_first_step_is_always_begun():
    assert Watch(Console(quiet=True), Clock(1.0), warning_s=90).should_stop() is False
