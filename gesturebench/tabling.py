"""What the verbs that print results do: `table`, `report`, `reproduce`."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gesturebench.benchmarks.grid import grid_names
from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.cli_options import PlanChanges
from gesturebench.common.errors import unknown_name
from gesturebench.common.files import check_output, writing
from gesturebench.console import console, progress_bar
from gesturebench.launching import Request
from gesturebench.results.costs import costed, costs_of
from gesturebench.results.paper_table import PaperTable, own_columns, paper_sheet
from gesturebench.results.render import FORMATS, SUFFIXES, Format, render, to_rich
from gesturebench.results.sheet import Sheet, sheet_of
from gesturebench.results.specs import TableSpec, load_spec, table_names
from gesturebench.results.table import build_table


@dataclass(frozen=True)
class Printing:
    """Where a table goes, and in which form."""

    format: Format
    out: Path | None = None

    @classmethod
    def checked(cls, format: str | None, out: Path | None) -> "Printing":
        """What the command line said, if it can be done; without a format the ending of `out` decides."""
        if out is not None:
            check_output(out)
            if format is None and out.suffix not in SUFFIXES:
                raise unknown_name("ending of --out", out.suffix, SUFFIXES)
        if format is not None and format not in FORMATS:
            raise unknown_name("format", format, FORMATS)
        return cls(format or (SUFFIXES[out.suffix] if out else "terminal"), out)

    def show(self, sheet: Sheet) -> None:
        if self.out is not None:
            with writing(self.out) as part:
                part.write_text(render(sheet, self.format), encoding="utf-8")
        elif self.format == "terminal" and (screen := console()).is_terminal:
            screen.print(to_rich(sheet, screen.width))
            for remark in sheet.remarks:
                screen.print(remark, markup=False)
        else:
            print(render(sheet, self.format), end="")


def show_table(
    plans: list[Plan],
    runs: Path,
    printing: Printing,
    mix_protocols: bool = False,
    baseline: str | None = None,
    costs: bool = False,
) -> None:
    store = RunStore(runs)
    states = known_states(plans, store)
    table = build_table(plans, store, states, mix_protocols=mix_protocols, baseline=baseline)
    printing.show(costed(table, costs_of(plans, store)) if costs else sheet_of(table))


def known_states(plans: Sequence[Plan], store: RunStore) -> Mapping[str, StepState]:
    """What the store's files say of all steps, and Slurm where it was given some."""
    from gesturebench.slurm.states import overlay

    steps = [step for plan in plans for step in plan.steps]
    return overlay(store.states(steps), steps, store)


def make_report(plan: Plan, runs: Path, named: str, out: Path) -> None:
    """`named` is how a shell names the plan."""
    from gesturebench.results.figures import figures_for_report
    from gesturebench.results.report import write_report

    check_output(out)
    store = RunStore(runs)
    store.require(plan.prepare, command := f"gesturebench run {named}")
    states = known_states([plan], store)
    with progress_bar("report") as progress:
        table = build_table([plan], store, states)
        figures = figures_for_report(plan, table, store, states)
        write_report(plan, table, store, out, command, progress, figures)
    console().print(f"Report: {out}", markup=False, soft_wrap=True)


def list_tables() -> None:
    """Every published table, and how much of it there is to run."""
    from rich.table import Table

    table = Table("table", "what it is", "published", "ours", box=None)
    for name in table_names():
        spec = load_spec(name)
        numbers = len([value for column in spec.columns for value in spec.values(column)])
        planned = [grid for grid in spec.grids if grid in grid_names()]
        table.add_row(name, spec.title, f"{numbers} numbers", ", ".join(planned) or "-")
    console().print(table)


def reproduce_table(spec: TableSpec, changes: PlanChanges, request: Request, printing: Printing) -> int:
    """Run what exists of a published table and print it, whatever became of the steps; returns the exit code of the
    run. `changes` go for each of its grids; `request` says where and how to run, whatever its grid."""
    from gesturebench.launching import run_plan

    plans = {
        number: changes.plan(grid)
        for number, grid in enumerate(spec.grids)
        if grid in grid_names() or Path(grid).is_file()
    }
    code = 0
    with contextlib.redirect_stdout(sys.stderr):  # what is printed is the table alone
        for number, plan in plans.items():
            if plan.cells and own_columns(spec, plan, number):
                code = max(code, run_plan(plan, replace(request, named=changes.words(spec.grids[number]))))
    printing.show(reproduced(spec, plans, RunStore(request.runs)))
    return code


def reproduced(spec: TableSpec, plans: Mapping[int, Plan], store: RunStore) -> Sheet:
    """The published table with what a store holds of the plans of its grids, by the number of the grid."""
    states = known_states(list(plans.values()), store)
    tables = {
        number: build_table([plan], store, states, baseline=spec.own_baseline(plan.grid), columns=columns)
        for number, plan in plans.items()
        if (columns := own_columns(spec, plan, number))
    }
    is_standin = any(plan.is_standin for number, plan in plans.items() if number in tables)
    return paper_sheet(PaperTable(spec, tables, is_standin, _why_not(spec, plans)))


def _why_not(spec: TableSpec, plans: Mapping[int, Plan]) -> str:
    """What keeps a table without any column of ours from being filled."""
    if spec.awaits or not plans:
        return spec.awaits or f"there is no grid {' or '.join(spec.grids)}"
    absent = {metric: why for plan in plans.values() for metric, why in plan.absent_metrics.items()}
    return "; ".join(f"{metric}: {why}" for metric, why in absent.items()) or "the grid measures none of its columns"
