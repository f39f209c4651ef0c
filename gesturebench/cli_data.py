"""The verbs of `gesturebench data`."""

import os
from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(no_args_is_help=True, help="The stand-in corpus, and what a data folder holds.")


@data_app.command()
def standin(
    out: Annotated[Path, typer.Option(help="New folder for the corpus.")],
    preset: Annotated[str, typer.Option(help="tiny or demo.")] = "demo",
    seed: Annotated[int, typer.Option(help="Corpus seed.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = os.cpu_count() or 1,
) -> None:
    """Write the stand-in corpus in BEAT2's layout. Example: gesturebench data standin --preset tiny --out corpus"""
    from gesturebench.commands import write_standin

    write_standin(preset, out, seed, workers)


@data_app.command()
def info(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A BEAT2 folder.")]) -> None:
    """Clips, splits, speakers and length of a data folder. Example: gesturebench data info BEAT2/beat_english_v2.0.0"""
    from gesturebench.commands import show_data

    show_data(folder)
