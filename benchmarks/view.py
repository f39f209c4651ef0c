"""What a run shows while it runs: a live picture on a terminal, a line per finished step elsewhere."""

from pathlib import Path
from typing import Protocol

from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.step import Step


class View(Protocol):
    """What the runner tells whoever watches."""

    def begin(self, total: int, cached: int) -> None: ...
    def started(self, step: Step) -> None: ...
    def progressed(self, step: Step, done: int, total: int) -> None: ...
    def finished(self, step: Step, seconds: float) -> None: ...
    def failed(self, step: Step, failure: Failure) -> None: ...
    def retried(self, step: Step, failure: Failure, reason: str) -> None: ...
    def stopped(self, step: Step, reason: str) -> None: ...
    def blocked(self, step: Step) -> None: ...
    def waits_for(self, step: Step, owner: str, claim: Path) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self) -> None: ...


class PlainView:
    """One line per event that a log should hold."""

    def __init__(self, console):
        self.console, self.told = console, set()
        self.total = self.done = self.n_failed = self.n_blocked = 0

    def begin(self, total: int, cached: int) -> None:
        self.total, self.done = total, cached
        self._say(f"{total} steps, {cached} done before, {total - cached} to do")

    def started(self, step: Step) -> None:
        pass

    def progressed(self, step: Step, done: int, total: int) -> None:
        pass

    def finished(self, step: Step, seconds: float) -> None:
        self.done += 1
        self._say(f"[{self.done}/{self.total}] {step.kind} {step.label} {seconds:.1f} s")

    def failed(self, step: Step, failure: Failure) -> None:
        self.n_failed += 1
        self._say(f"failed: {step.kind} {step.label}: {failure}")

    def retried(self, step: Step, failure: Failure, reason: str) -> None:
        self._say(f"again: {step.kind} {step.label}: {failure} ({reason})")

    def stopped(self, step: Step, reason: str) -> None:
        self._say(f"stopped: {step.kind} {step.label}: {reason}")

    def blocked(self, step: Step) -> None:
        self.n_blocked += 1

    def waits_for(self, step: Step, owner: str, claim: Path) -> None:
        if step.key not in self.told:
            self.told.add(step.key)
            self._say(f"waiting: {step.kind} {step.label} is being made by {owner}; delete {claim} if that is gone")

    def note(self, text: str) -> None:
        self._say(text)

    def end(self) -> None:
        trouble = f", {self.n_failed} failed, {self.n_blocked} waiting for those" if self.n_failed else ""
        self._say(f"{self.done} of {self.total} steps done{trouble}")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveView(PlainView):
    """The counts in one bar, the steps at work with bars of their own below it; failures stay above."""

    def __init__(self, console):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        super().__init__(console)
        columns = (
            TextColumn("{task.description}", table_column=None),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self.bars = Progress(*columns, console=console, transient=True)
        self.tasks: dict[str, int] = {}

    def begin(self, total: int, cached: int) -> None:
        self.total, self.done = total, cached
        self.all = self.bars.add_task("", total=total, completed=cached)
        self._count()
        self.bars.start()

    def started(self, step: Step) -> None:
        self.tasks[step.key] = self.bars.add_task(f"  {step.kind} {step.label}", total=None)
        self._count()

    def progressed(self, step: Step, done: int, total: int) -> None:
        self.bars.update(self.tasks[step.key], completed=done, total=total)

    def finished(self, step: Step, seconds: float) -> None:
        self.done += 1
        self._drop(step)

    def failed(self, step: Step, failure: Failure) -> None:
        super().failed(step, failure)
        self._drop(step)

    def retried(self, step: Step, failure: Failure, reason: str) -> None:
        super().retried(step, failure, reason)
        self._drop(step)

    def stopped(self, step: Step, reason: str) -> None:
        super().stopped(step, reason)
        self._drop(step)

    def blocked(self, step: Step) -> None:
        super().blocked(step)
        self._count()

    def end(self) -> None:
        self.bars.stop()
        super().end()

    def _drop(self, step: Step) -> None:
        if step.key in self.tasks:
            self.bars.remove_task(self.tasks.pop(step.key))
        self._count()

    def _count(self) -> None:
        lost = self.n_failed + self.n_blocked
        left = self.total - self.done - lost - len(self.tasks)
        text = f"{self.done} done, {lost} failed or blocked, {len(self.tasks)} running, {left} left"
        self.bars.update(self.all, completed=self.done, description=text)


def view_for(console) -> View:
    return LiveView(console) if console.is_terminal else PlainView(console)
