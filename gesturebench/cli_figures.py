"""The verb `gesturebench figure`."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import Asked, takes_plan


@takes_plan
def figure(
    asked: Asked,
    kind: Annotated[
        str, typer.Option(help="interval, axis, ranks, curves, codes or control; see docs/figures.md.")
    ] = "interval",
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
) -> None:
    """A picture of a grid's numbers, also while it runs. Example: gesturebench figure demo --metric bc --out bc.pdf"""
    from gesturebench.picturing import default_file, draw
    from gesturebench.results.figures import checked_wish

    wish = checked_wish(asked.grid, kind, tuple(metric or ()), axis, test, published)
    draw(asked.open(), asked.runs, wish, out or default_file(asked.grid, kind))
