"""The verbs of `gesturebench study`, and `gesturebench render`."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import Asked, takes_plan

Size = Annotated[str, typer.Option(metavar="WxH", help="Pixels of a picture.")]
DEFAULT_SIZE = "512x640"

study_app = typer.Typer(
    no_args_is_help=True,
    help="A study with people. Example: gesturebench study make demo --pairs 'EMAGE,RAG-Gesture' --n 10",
)


@study_app.command()
@takes_plan
def make(
    asked: Asked,
    pairs: Annotated[
        list[str],
        typer.Option(metavar="ROW,ROW", help="Labels of two rows; may stand several times for several pairs."),
    ],
    n: Annotated[int, typer.Option("--n", min=1, help="Excerpts of speech that every pair is compared on.")] = 10,
    seconds: Annotated[float, typer.Option(min=2, max=60, help="Length of an excerpt.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of the excerpts and the attention checks.")] = 0,
    checks: Annotated[int, typer.Option(min=0, help="Attention checks among the trials.")] = 2,
    ask: Annotated[
        list[str] | None,
        typer.Option(metavar="QUESTION", help="liveness, beats, expressiveness (these by default) or overall."),
    ] = None,
    video: Annotated[str, typer.Option(help="Kind of the videos: mp4 or webm.")] = "mp4",
    size: Size = DEFAULT_SIZE,
    post: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the page sends answers; default: people save a file.")
    ] = None,
    out: Annotated[Path, typer.Option(help="New folder: page/ for participants, key.json for you.")] = Path("study"),
) -> None:
    """A page on which people compare rows of a grid. Example: gesturebench study make demo --pairs A,B --n 10"""
    from gesturebench.studying import make_pages

    make_pages(
        asked,
        pairs,
        out,
        n=n,
        seconds=seconds,
        seed=seed,
        checks=checks,
        questions=ask,
        video=video,
        size=size,
        post=post,
    )


@study_app.command()
def analyse(
    answers: Annotated[list[Path], typer.Argument(metavar="ANSWERS...", help="Files that the page saved or sent.")],
    study: Annotated[Path, typer.Option(help="Folder that `study make` wrote.")] = Path("study"),
    allowed_failures: Annotated[
        int, typer.Option(min=0, help="Attention checks that a participant may fail and still count.")
    ] = 0,
    format: Annotated[str | None, typer.Option(help="terminal, markdown, csv, latex or html.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; its ending chooses the format.")] = None,
) -> None:
    """Preferences with exact intervals, and how far raters agree. Example: gesturebench study analyse answers/*.json"""
    from gesturebench.studying import analyse_answers

    analyse_answers(answers, study, allowed_failures, format, out)


def render(
    motion: Annotated[Path, typer.Argument(metavar="MOTION", help="Motion file in BEAT2's npz layout.")],
    out: Annotated[Path, typer.Option(help="Video to write, .mp4 or .webm.")],
    audio: Annotated[Path | None, typer.Option(help="Sound file that plays with it; default: a silent video.")] = None,
    body: Annotated[
        str | None, typer.Option(help="SMPL-X .npz whose bones are moved; default: the stand-in's body.")
    ] = None,
    size: Size = DEFAULT_SIZE,
    yaw: Annotated[
        float, typer.Option(min=-180, max=180, help="Degrees that the camera stands to the speaker's left.")
    ] = 15.0,
) -> None:
    """A video of a motion with its sound. Example: gesturebench render talk.npz --audio talk.wav --out talk.mp4"""
    from gesturebench.filming import render_file

    render_file(motion, audio, out, body, size, yaw)
