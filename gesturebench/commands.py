"""What the verbs about grids do."""

from collections import Counter
from pathlib import Path

from gesturebench.benchmarks.grid import load_grid
from gesturebench.benchmarks.plan import Plan, make_plan
from gesturebench.benchmarks.source import STANDIN, find_source
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.errors import unknown_name
from gesturebench.console import console, progress_bar


def open_plan(grid_name: str, runs: Path, data: str | None = None, body: str | None = None) -> Plan:
    """The plan of a grid, with its data replaced where the command line says so."""
    grid = load_grid(grid_name)
    grid = grid.model_copy(update={"data": data or grid.data, "body": body or grid.body})
    if grid.data.startswith(STANDIN):
        return make_plan(grid, find_source(grid.data, grid.body, runs))
    with console(stderr=True).status(f"reading {grid.data}"):  # hashes every file the first time
        source = find_source(grid.data, grid.body, runs)
    return make_plan(grid, source)


def run_plan(plan: Plan, runs: Path, workers: int, name: str) -> int:
    """Run what is missing; returns the exit code."""
    from gesturebench.benchmarks.runner import Runner
    from gesturebench.benchmarks.view import view_for

    screen = console(stderr=True)
    outcome = Runner(runs, workers, view_for(screen)).run(plan.steps)
    if outcome.failed:
        labels = {step.key: f"{step.kind} {step.label}" for step in plan.steps}
        first, failure = next(iter(outcome.failed.items()))
        more = f" (and {len(outcome.failed) - 1} more)" if len(outcome.failed) > 1 else ""
        waiting = len(outcome.blocked)
        blocked = f"; {waiting} {'step waits' if waiting == 1 else 'steps wait'} for it" if waiting else ""
        screen.print(f"error: {labels[first]}: {failure}{more}{blocked}", markup=False, soft_wrap=True)
    else:
        console().print(f"All {len(plan.steps)} steps are done: gesturebench table {name}", markup=False)
    return outcome.exit_code


def show_dry_run(plan: Plan, runs: Path) -> None:
    from gesturebench.benchmarks.runner import missing_steps

    missing = missing_steps(plan.steps, RunStore(runs))
    screen = console()
    for step in missing:
        screen.print(f"{step.kind:9} {step.key} {step.label}", markup=False)
    screen.print(f"{len(missing)} of {len(plan.steps)} steps to do, nothing was run")


def show_status(plan: Plan, runs: Path) -> None:
    """Counts by kind, then every step that failed or runs."""
    from rich.table import Table

    store, screen = RunStore(runs), console()
    states = {step.key: store.status(step) for step in plan.steps}
    names = ("done", "running", "failed", "missing")
    table = Table("step", *names, box=None)
    for kind in dict.fromkeys(step.kind for step in plan.steps):
        counts = Counter(states[step.key] for step in plan.steps if step.kind == kind)
        table.add_row(kind, *(str(counts[name]) for name in names))
    screen.print(table)
    for step in plan.steps:
        if states[step.key] == "running":
            screen.print(f"running: {step.kind} {step.label}", markup=False)
        elif states[step.key] == "failed":
            screen.print(f"failed: {step.kind} {step.label}: {store.failure(step)}", markup=False, soft_wrap=True)
            screen.print(f"  traceback in {store.failure_file(step.key)}", markup=False, soft_wrap=True)


def show_table(plans: list[Plan], runs: Path, format: str | None, out: Path | None, mix_protocols: bool) -> None:
    from gesturebench.common.files import check_output, writing
    from gesturebench.results.render import SUFFIXES, render, to_rich
    from gesturebench.results.table import build_table

    if out is not None:
        check_output(out)
        if format is None and out.suffix not in SUFFIXES:
            raise unknown_name("ending of --out", out.suffix, SUFFIXES)
    table = build_table(plans, RunStore(runs), mix_protocols=mix_protocols)
    format = format or (SUFFIXES[out.suffix] if out else "terminal")
    if out is not None:
        text = render(table, format)
        with writing(out) as part:
            part.write_text(text, encoding="utf-8")
    elif format == "terminal" and (screen := console()).is_terminal:
        screen.print(to_rich(table, screen.width))
        for remark in table.remarks:
            screen.print(remark, markup=False)
    else:
        print(render(table, format), end="")


def make_report(plan: Plan, runs: Path, name: str, out: Path) -> None:
    from gesturebench.common.files import check_output
    from gesturebench.results.report import write_report

    check_output(out)
    with progress_bar("report") as progress:
        write_report(plan, RunStore(runs), out, f"gesturebench run {name}", progress)
    console().print(f"Report: {out}", markup=False, soft_wrap=True)


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
