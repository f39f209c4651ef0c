"""The verbs that print results: `table`, `report`, `reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import DEFAULT_RUNS, Asked, AskedGrids, Body, PlanChanges, Preset, Runs, takes_plan
from gesturebench.cli_runs import ALL_CPUS, ProfileFile, Wait, Workers

Launcher = Annotated[str, typer.Option(help="local, or slurm for a cluster.")]
Format = Annotated[
    str | None, typer.Option(help="terminal, markdown, latex, html or csv; default: by the ending of --out.")
]
Out = Annotated[Path | None, typer.Option(help="File to write instead of the terminal.")]


def register(app: typer.Typer) -> None:
    """Add the verbs, in the order in which help shows them."""
    for verb in (table, report, reproduce):
        app.command()(verb)


@takes_plan
def table(
    asked: AskedGrids,
    format: Format = None,
    out: Out = None,
    baseline: Annotated[
        str | None, typer.Option(help="Label of the row that all others are compared with; * where they differ.")
    ] = None,
    mix_protocols: Annotated[
        bool, typer.Option("--mix-protocols", help="Mark rows that cannot be compared instead of refusing.")
    ] = False,
    costs: Annotated[
        bool, typer.Option("--costs", help="Add seconds and network evaluations that generation took.")
    ] = False,
) -> None:
    """The numbers of a grid, also while it runs. Example: gesturebench table demo --out demo.tex"""
    from gesturebench.tabling import Printing, show_table

    printing = Printing.checked(format, out)
    show_table([asked.plan(grid) for grid in asked.grids], asked.runs, printing, mix_protocols, baseline, costs)


@takes_plan
def report(
    asked: Asked,
    out: Annotated[Path | None, typer.Option(help="HTML file; default: RUNS/report/GRID.html.")] = None,
) -> None:
    """One self-contained HTML page: the table, and every row's motion of one clip. Example: gesturebench report demo"""
    from gesturebench.picturing import file_stem
    from gesturebench.tabling import make_report

    out = out or asked.runs / "report" / f"{file_stem(asked.grid)}.html"
    make_report(asked.open(), asked.runs, asked.named(), out)


def reproduce(
    table: Annotated[
        str | None, typer.Argument(metavar="[TABLE]", help="A published table, see --list, or a YAML file.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only list the published tables.")] = False,
    data: Annotated[
        str, typer.Option(help="standin, standin:PRESET or a BEAT2 folder to run the table's methods on.")
    ] = "standin",
    body: Body = None,
    preset: Preset = None,
    runs: Runs = DEFAULT_RUNS,
    launcher: Launcher = "local",
    profile: ProfileFile = None,
    wait: Wait = False,
    workers: Workers = ALL_CPUS,
    format: Format = None,
    out: Out = None,
) -> None:
    """Run what exists of a published table, print it beside ours. Example: gesturebench reproduce raggesture-table1"""
    from gesturebench.launching import Request
    from gesturebench.results.specs import load_spec
    from gesturebench.tabling import Printing, list_tables, reproduce_table

    if listed or table is None:
        list_tables()
    else:
        request = Request(table, runs, launcher, workers, profile, wait).checked()
        printing = Printing.checked(format, out)
        changes = PlanChanges(data=data, body=body, preset=preset, runs=runs)
        raise typer.Exit(reproduce_table(load_spec(table), changes, request, printing))
