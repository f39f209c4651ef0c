"""Inside a job: the log of the runner, and when the job should stop."""

from dataclasses import dataclass
from typing import Protocol

from gesturebench.benchmarks.failure import Failure, FailureKind
from gesturebench.benchmarks.step import Step
from gesturebench.benchmarks.view import PlainView
from gesturebench.common.progress import asked_to_stop

EARLY_S = 60.0
"""So much earlier than asked for Slurm may warn a job of its time limit."""


class HasTime(Protocol):
    """A clock that runs out."""

    @property
    def left_s(self) -> float: ...


@dataclass
class _Pace:
    """Whether a step is at work, and how long the longest took so far."""

    at_work: bool = False
    longest_s: float = 0.0


class Watch(PlainView):
    """The runner's plain view, which knows how long steps take: no new one is begun when the time that is left is less
    than the longest took. The first of a job's life always is, else nothing would ever get further. `warning_s` before
    its end Slurm warns a job; a warning much earlier means that somebody else wants the machine."""

    def __init__(self, console, clock: HasTime, warning_s: float):
        super().__init__(console)
        self.clock, self.warning_s, self.pace = clock, warning_s, _Pace()

    def should_stop(self) -> FailureKind | bool:
        """What the runner asks: false, or why it should stop."""
        if asked_to_stop():
            return "timeout" if self.clock.left_s < self.warning_s + EARLY_S else "preempted"
        too_late = not self.pace.at_work and self.pace.longest_s > 0 and self.clock.left_s < self.pace.longest_s
        return "timeout" if too_late else False

    def started(self, step: Step) -> None:
        self.pace.at_work = True

    def finished(self, step: Step, seconds: float) -> None:
        super().finished(step, seconds)
        self.pace = _Pace(False, max(self.pace.longest_s, seconds))

    def failed(self, step: Step, failure: Failure) -> None:
        super().failed(step, failure)
        self.pace.at_work = False

    def retried(self, step: Step, failure: Failure, reason: str) -> None:
        super().retried(step, failure, reason)
        self.pace.at_work = False

    def stopped(self, step: Step, reason: str) -> None:
        super().stopped(step, reason)
        self.pace.at_work = False
