"""Runs that are asked to stop: what was reached is kept, and nobody else is hurt."""

import os
import signal
from pathlib import Path

import pytest
import toys

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.outcome import Outcome
from gesturebench.benchmarks.runner import Runner
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step, unique
from gesturebench.common.progress import blocked


def slow(log: Path) -> Step:
    return toys.step("slow", does="slow", log=str(log), pause_s=0.25)


def lines(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def stopped(runs: Path, view, stop, *steps: Step, **options) -> Outcome:
    return Runner(runs, 1, view, toys.execute, stop=stop, **options).run(steps)


@pytest.mark.parametrize(
    ("asked", "outcome"), [("timeout", "timeout"), ("preempted", "preempted"), (True, "preempted")]
)
def test_a_stopped_run_keeps_what_it_reached_and_goes_on_later(tmp_path, view, asked, outcome):
    log = tmp_path / "log"
    step = slow(log)
    after, other = toys.step("after", step), toys.step("other", kind="evaluate")
    found = stopped(tmp_path, view, lambda: asked if len(lines(log)) >= 2 else False, step, after, other)
    assert found.exit_code == 75
    assert set(found.interrupted) == {step.key, other.key, after.key}
    assert (found.made, found.failed) == ([], {})
    (attempt,) = Attempts(tmp_path).of(step.key)
    assert (attempt.outcome, attempt.progress[1]) == (outcome, toys.PARTS)
    assert attempt.progress[0] >= 2
    assert Claims(tmp_path).holder(step.key) is None
    assert RunStore(tmp_path).status(step) == "missing"
    again = Runner(tmp_path, 1, view, toys.execute).run(unique([*after.with_inputs(), other]))
    assert again.exit_code == 0
    assert lines(log) == ["0", "1", "2", "3", "4"]


def test_a_step_that_does_not_hear_is_killed_after_its_grace(tmp_path, view):
    step = toys.step("deaf", does="sleep", log=str(tmp_path / "pid"))
    found = stopped(tmp_path, view, lambda: (tmp_path / "pid").exists(), step, grace_s=0.3)
    assert found.interrupted == [step.key]
    (attempt,) = Attempts(tmp_path).of(step.key)
    assert attempt.outcome == "preempted"
    assert "did not stop within 0.3 s and was killed" in attempt.message
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_run_that_is_asked_before_it_begins_begins_nothing(tmp_path, view):
    step = toys.step("a")
    found = stopped(tmp_path, view, lambda: True, step)
    assert (found.interrupted, found.exit_code) == ([step.key], 75)
    assert Attempts(tmp_path).of(step.key) == []


class Signal:
    """Never asks to stop, but sends every worker a signal once it has got somewhere: what a cluster does."""

    def __init__(self, number: int, log: Path):
        self.number, self.log, self.runner = number, log, None

    def __call__(self) -> bool:
        if len(lines(self.log)) >= 2 and self.number:
            for worker in self.runner.pool.workers:
                os.kill(worker.pid, self.number)
            self.number = 0
        return False


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_worker_that_is_asked_by_the_cluster_stops_the_run(tmp_path, view, number):
    """TERM does that only where it was blocked before the worker was born, as in a cluster job."""
    log = tmp_path / "log"
    step, hook = slow(log), Signal(number, log)
    with blocked(signal.SIGTERM):
        hook.runner = Runner(tmp_path, 1, view, toys.execute, stop=hook)
        found = hook.runner.run((step,))
    assert found.interrupted == [step.key]
    assert [attempt.outcome for attempt in Attempts(tmp_path).of(step.key)] == ["preempted"]
    assert len(lines(log)) < toys.PARTS


def test_children_of_a_step_do_not_die_of_the_signal(tmp_path, view):
    step = toys.step("parent", does="bear")
    assert Runner(tmp_path, 1, view, toys.execute).run((step,)).made == [step.key]


def test_ctrl_c_ends_everything_at_once_and_says_so(tmp_path, view):
    log = tmp_path / "log"
    step = slow(log)

    def interrupt() -> bool:
        if lines(log):
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        stopped(tmp_path, view, interrupt, step)
    (attempt,) = Attempts(tmp_path).of(step.key)
    assert (attempt.outcome, attempt.message) == ("cancelled", "the run was interrupted")
    assert Claims(tmp_path).holder(step.key) is None
    assert RunStore(tmp_path).status(step) == "missing"


def test_a_worker_that_dies_when_the_grace_has_run_out_takes_nothing_along(tmp_path, view):
    """Its death is what tells the runner that it should stop."""
    step = toys.step("dead", does="die")

    def stop() -> bool:
        return bool(runner.running) and not runner.pool.workers

    runner = Runner(tmp_path, 1, view, toys.execute, stop=stop, grace_s=-1)
    found = runner.run((step,))
    assert (found.interrupted, found.failed) == ([step.key], {})
    assert [attempt.outcome for attempt in Attempts(tmp_path).of(step.key)] == ["preempted"]
