"""The verb `gesturebench retrieval`."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import Asked, takes_plan


@takes_plan
def retrieval(
    asked: Asked,
    row: Annotated[str | None, typer.Option(help="Label of a row; default: the first one that retrieves.")] = None,
    clip: Annotated[str | None, typer.Option(help="Id of a clip; default: all that the row is scored on.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the controls; default: the row's first.")] = None,
    ranks: Annotated[int, typer.Option(min=1, help="How much of each ranked list is shown.")] = 1,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    picture: Annotated[Path | None, typer.Option(help="File for a timeline of one clip, .svg, .pdf or .png.")] = None,
) -> None:
    """What is retrieved for every clip, by which score, and where it goes. Trains and generates nothing.

    Example: gesturebench retrieval demo --clip 1_ada_0_9_9 --picture ada.svg
    """
    from gesturebench.retrieval_report import Request, show_retrieval

    show_retrieval(asked.open(), asked.runs, Request(asked.named(), row, clip, seed, ranks, format, picture))
