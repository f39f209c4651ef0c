"""The verbs of `gesturebench data`."""

import os
from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(
    no_args_is_help=True, help="Data folders: download one, look at it, check it, prepare it, generate one."
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A BEAT2 folder.")]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes.")]
CORES = os.cpu_count() or 1


@data_app.command()
def standin(
    out: Annotated[Path, typer.Option(help="New folder for the corpus.")],
    preset: Annotated[str, typer.Option(help="tiny or demo.")] = "demo",
    seed: Annotated[int, typer.Option(help="Corpus seed.")] = 0,
    workers: Workers = CORES,
) -> None:
    """Write the stand-in corpus in BEAT2's layout. Example: gesturebench data standin --preset tiny --out corpus"""
    from gesturebench.data import write_standin

    write_standin(preset, out, seed, workers)


@data_app.command()
def fetch(
    out: Annotated[Path, typer.Option(help="Folder to fill; one that broke off is completed.")],
    include: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of files, several times; default: all kinds of files that are read here."),
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit on the hub.")] = "main",
) -> None:
    """Download BEAT2 English with discourse relations, prominence and transcripts from the Hugging Face hub, for
    non-commercial use. A token is read from HF_TOKEN. Example: gesturebench data fetch --out BEAT2"""
    from gesturebench.fetching import fetch_data

    fetch_data(out, tuple(include or ()), revision)


@data_app.command()
def info(folder: Folder) -> None:
    """Hours, splits, speakers, emotions, annotations. Example: gesturebench data info BEAT2/beat_english_v2.0.0"""
    from gesturebench.data import show_data

    show_data(folder)


@data_app.command()
def check(
    folder: Folder,
    workers: Workers = CORES,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Examine every file: found, missing, broken, and where to get it. Exit code 1 if something is broken or a needed
    file is missing. Example: gesturebench data check BEAT2/beat_english_v2.0.0"""
    from gesturebench.data import check_data

    raise typer.Exit(check_data(folder, workers, json))


@data_app.command()
def prepare(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A BEAT2 folder, or standin:PRESET.")],
    body: Annotated[
        str | None, typer.Option(help="SMPL-X .npz or `standin`; default: the one in the data folder.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of all results.", envvar="GESTUREBENCH_RUNS")] = Path("runs"),
    workers: Workers = CORES,
) -> None:
    """Fill the clip store that grids read; a killed command goes on where it was. Example: gesturebench data prepare
    BEAT2/beat_english_v2.0.0"""
    from gesturebench.data import prepare_data

    raise typer.Exit(prepare_data(folder, body, runs, workers))
