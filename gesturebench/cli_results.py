"""The verbs of `gesturebench results`, and `gesturebench gc`."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import DEFAULT_RUNS, Body, Data, Runs

results_app = typer.Typer(
    no_args_is_help=True, help="All scores as one table. Example: gesturebench results export scores.parquet"
)

OnlyGrid = Annotated[str | None, typer.Option(help="Only what this grid needs, under the labels of its rows.")]


@results_app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT from the view `scores`, see docs/results.md.")],
    grid: OnlyGrid = None,
    data: Data = None,
    body: Body = None,
    runs: Runs = DEFAULT_RUNS,
    format: Annotated[
        str | None,
        typer.Option(help="terminal, markdown, csv, json, jsonl or parquet; default: by the ending of --out."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of the terminal.")] = None,
) -> None:
    """SQL over every score.

    Example: gesturebench results query "SELECT method, avg(value) FROM scores WHERE metric = 'fgd' GROUP BY 1"
    """
    from gesturebench.results_store import Choice, show_query

    show_query(sql, Choice(runs, grid, data, body), format, out)


@results_app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File ending in .parquet, .csv or .jsonl.")],
    grid: OnlyGrid = None,
    data: Data = None,
    body: Body = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Every score with its passport in one file. Example: gesturebench results export scores.parquet --grid demo"""
    from gesturebench.results_store import Choice, write_export

    write_export(out, Choice(runs, grid, data, body))


@results_app.command()
def check(
    stores: Annotated[
        list[Path] | None, typer.Argument(metavar="[STORE...]", help="Further run stores, such as one to be merged.")
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Whether shards agree with records, and equal keys of several stores with each other.

    Example: gesturebench results check ../colleague/runs
    """
    from gesturebench.results_store import check_results

    raise typer.Exit(check_results([runs, *(stores or [])]))


def gc(
    grids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GRID...]", help="Grids whose results stay; default: all built-in and all ever run."),
    ] = None,
    data: Data = None,
    body: Body = None,
    runs: Runs = DEFAULT_RUNS,
    older_than: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Leftovers of attempts stay for so many days.")
    ] = 7.0,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this it is only listed.")] = False,
) -> None:
    """Results that no grid needs, and what dead attempts left. Example: gesturebench gc demo --delete"""
    from gesturebench.results_store import collect_garbage

    collect_garbage(grids or [], runs, data, body, older_than, delete)
