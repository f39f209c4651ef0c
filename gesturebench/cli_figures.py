"""The verb `gesturebench figure`."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import DEFAULT_RUNS, Body, Data, GridName, Runs


def figure(
    grid: GridName,
    kind: Annotated[str, typer.Option(help="interval, axis, ranks or curves; see docs/figures.md.")] = "interval",
    metric: Annotated[
        list[str] | None, typer.Option(help="Metric or column, with --kind curves a loss; may stand several times.")
    ] = None,
    axis: Annotated[
        str | None, typer.Option(help="Key of the rows' settings, such as guidance.lr; default: the grid's only axis.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Which ranks differ: nemenyi (default) or wilcoxon, with Holm's correction.")
    ] = None,
    published: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Published table whose numbers stand beside, see `reproduce`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .svg, .pdf or .png; default: GRID-KIND.svg, here.")
    ] = None,
    data: Data = None,
    body: Body = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """A picture of a grid's numbers, also while it runs. Example: gesturebench figure demo --metric bc --out bc.pdf"""
    from gesturebench.picturing import default_file, draw
    from gesturebench.planning import open_plan
    from gesturebench.results.figures import checked_wish

    wish = checked_wish(grid, kind, tuple(metric or ()), axis, test, published)
    draw(open_plan(grid, runs, data, body), runs, wish, out or default_file(grid, kind))
