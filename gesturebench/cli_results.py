"""The verbs of `gesturebench results`, and `gesturebench gc`."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import DEFAULT_RUNS, AskedScores, AskedStore, Runs, takes_plan

results_app = typer.Typer(
    no_args_is_help=True, help="All scores as one table. Example: gesturebench results export scores.parquet"
)


@results_app.command()
@takes_plan
def query(
    asked: AskedScores,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT from the view `scores`, see docs/results.md.")],
    format: Annotated[
        str | None,
        typer.Option(help="terminal, markdown, csv, json, jsonl or parquet; default: by the ending of --out."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of the terminal.")] = None,
) -> None:
    """SQL over every score.

    Example: gesturebench results query "SELECT method, avg(value) FROM scores WHERE metric = 'fgd' GROUP BY 1"
    """
    from gesturebench.results_store import show_query

    show_query(sql, asked, format, out)


@results_app.command()
@takes_plan
def export(
    asked: AskedScores,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File ending in .parquet, .csv or .jsonl.")],
) -> None:
    """Every score with its passport in one file. Example: gesturebench results export scores.parquet --grid demo"""
    from gesturebench.results_store import write_export

    write_export(out, asked)


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


@takes_plan
def gc(
    asked: AskedStore,
    older_than: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Leftovers of attempts stay for so many days.")
    ] = 7.0,
    exactly: Annotated[
        bool, typer.Option("--exactly", help="Also drop variants of the named grids that were run: other seeds, data.")
    ] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this it is only listed.")] = False,
) -> None:
    """Results that no grid needs, and what dead attempts left. Example: gesturebench gc demo --delete"""
    from gesturebench.results_store import collect_garbage

    collect_garbage(asked, older_than, delete, exactly)
