"""What the verbs about grids do."""

import signal
from collections.abc import Sequence
from pathlib import Path

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.progress import asked_to_stop
from gesturebench.console import console


def run_here(
    plan: Plan, steps: tuple[Step, ...], runs: Path, workers: int, named: str, track: Sequence[str] = ()
) -> int:
    """Run some of a plan's steps on this machine and tell the trackers called `track`; returns the exit code. `named`
    is how a shell names the plan."""
    from gesturebench.benchmarks.remembered import remember_plan
    from gesturebench.benchmarks.runner import Runner, check_writable
    from gesturebench.benchmarks.tracking import make_tracker
    from gesturebench.benchmarks.view import view_for

    check_writable(runs)
    screen = console(stderr=True)
    tracker = make_tracker(track, runs, plan.grid.title, remember_plan(plan, runs))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})  # from here on it asks to stop, and ends in exit code 75
    outcome = Runner(runs, workers, view_for(screen), tracker=tracker, stop=asked_to_stop).run(steps)
    if outcome.failed or outcome.interrupted:
        screen.print(outcome.closing_line(named), markup=False, soft_wrap=True)
    else:
        say_how_far(plan, RunStore(runs), named)
    return outcome.exit_code


def say_how_far(plan: Plan, store: RunStore, named: str) -> None:
    from gesturebench.benchmarks.runner import missing_steps

    left = len(missing_steps(plan.steps, store))
    if left:
        text = f"{left} of {len(plan.steps)} steps are left: gesturebench status {named}"
    else:
        text = f"All {len(plan.steps)} steps are done: gesturebench table {named}"
    console().print(text, markup=False)


def show_dry_run(plan: Plan, runs: Path) -> None:
    from gesturebench.benchmarks.runner import missing_steps

    missing = missing_steps(plan.steps, RunStore(runs))
    screen = console()
    for step in missing:
        screen.print(f"{step.kind:9} {step.key} {step.label}", markup=False)
    screen.print(f"{len(missing)} of {len(plan.steps)} steps to do, nothing was run")


def show_methods() -> None:
    from rich.table import Table

    from gesturebench.methods.registry import get_method, survey

    table = Table("method", "state", "what it is", box=None)
    for name, state in survey():
        table.add_row(name, state, (get_method(name).__doc__ or "").strip().splitlines()[0] if state == "ok" else "")
    console().print(table)


def show_metrics() -> None:
    from rich.table import Table

    from gesturebench.evaluators.registry import evaluator_names, get_evaluator

    table = Table("metric", "column", "better", "trained part", "reads the truth", box=None)
    for name in evaluator_names():
        evaluator = get_evaluator(name)
        for column in evaluator.columns:
            table.add_row(
                name, column.heading, column.direction, _yes(evaluator.fitted), _yes(evaluator.requires_truth)
            )
    console().print(table)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
