"""The verbs of `gesturebench`. Only typer is imported here: everything else waits until a command needs it."""

from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_data import data_app
from gesturebench.cli_figures import figure
from gesturebench.cli_metrics import metrics_app
from gesturebench.cli_options import DEFAULT_RUNS, Body, Data, Offline, Runs
from gesturebench.cli_plan import plan
from gesturebench.cli_results import gc, results_app
from gesturebench.cli_retrieval import retrieval
from gesturebench.cli_runs import register as register_runs
from gesturebench.cli_study import render, study_app
from gesturebench.cli_tables import register as register_tables
from gesturebench.cli_weights import weights_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Benchmark and ablations of co-speech gesture generation on BEAT2.\n\n"
    "Start with: gesturebench run demo && gesturebench table demo",
)
app.add_typer(data_app, name="data")
app.add_typer(metrics_app, name="metrics")
app.add_typer(results_app, name="results")
app.add_typer(study_app, name="study")
app.add_typer(weights_app, name="weights")
app.command()(plan)
register_runs(app)
register_tables(app)
app.command()(gc)
app.command()(figure)
app.command()(retrieval)
app.command()(render)


def _version(wanted: bool) -> None:
    if wanted:
        from gesturebench import __version__

        typer.echo(f"gesturebench {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere in the line.")
    ] = False,  # read in `main`
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def generate(
    method: Annotated[str, typer.Option(help="Name of a method, see `gesturebench methods`.")],
    audio: Annotated[Path, typer.Option(help="Sound file of any length and rate.")],
    out: Annotated[Path, typer.Option(help="Motion file to write, in BEAT2's npz layout.")],
    textgrid: Annotated[Path | None, typer.Option(help="Words and phones of the sound file.")] = None,
    speaker: Annotated[int, typer.Option(help="BEAT2 number of the speaker to move like.")] = 2,
    grid: Annotated[str, typer.Option(help="Grid whose trained parts are used.")] = "demo",
    row: Annotated[
        str | None, typer.Option(help="Label of the grid's row; default: the method's last competing row.")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the sample, and of the trained parts where the row has that seed.")
    ] = 0,
    given: Annotated[
        Path | None, typer.Option(help="Motion file (npz) beside the speech, for methods that take motion as a hint.")
    ] = None,
    given_frames: Annotated[
        str | None, typer.Option(help="Frames of it that are shown, such as 0,45,90-95; default: all.")
    ] = None,
    given_joints: Annotated[
        str | None, typer.Option(help="Joints of it that are shown, such as upper,hands; default: all.")
    ] = None,
    control: Annotated[
        Path | None, typer.Option(help="Keyframes (npz) beside the speech: single poses, or joints of them.")
    ] = None,
    data: Data = None,
    body: Body = None,
    runs: Runs = DEFAULT_RUNS,
    offline: Offline = False,
) -> None:
    """Motion for a sound file. Example: gesturebench generate --method rag_gesture --audio talk.wav --out talk.npz"""
    from gesturebench.generation import generate_file
    from gesturebench.given import given_of
    from gesturebench.planning import open_plan

    shown = given_of(given, given_frames, given_joints, control)
    opened = open_plan(grid, runs, data, body)
    generate_file(opened, runs, grid, method, row, audio, textgrid, speaker, seed, out, shown)


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(metavar="PRED_DIR", help="Folder of motion, see --layout.")],
    data: Annotated[
        str | None,
        typer.Option(help="BEAT2 folder with the true motion, or standin:PRESET; default: what the folder brings."),
    ] = None,
    body: Body = None,
    protocol: Annotated[str, typer.Option(help="How to score, see `gesturebench protocols`.")] = "self",
    layout: Annotated[
        str, typer.Option(help="Whose code wrote the folder: gesturebench, emage, mambatalk, rag_gesture or auto.")
    ] = "auto",
    metrics: Annotated[str | None, typer.Option(help="Comma-separated choice of the protocol's metrics.")] = None,
    grid: Annotated[str, typer.Option(help="Grid whose fitted encoders are used.")] = "demo",
    encoder: Annotated[
        Path | None, typer.Option(help="Published FGD encoder; default: weights/AESKConv_240_100.bin of the data.")
    ] = None,
    mean_speed: Annotated[
        Path | None, typer.Option(help="Mean joint speeds (npy) for beats, where no --data is given.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score what is there, if some is missing; the passport says so.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="File for the numbers with their passport.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="METRIC.KEY=VALUE", help="Another setting of a metric, hence another protocol."),
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Score a folder of motion files. Example: gesturebench evaluate out/ --data BEAT2/beat_english_v2.0.0"""
    from gesturebench.scoring import Request, evaluate_folder

    chosen = [name.strip() for name in (metrics or "").split(",") if name.strip()]
    evaluate_folder(
        Request(
            predictions, protocol, data, body, layout, tuple(dict.fromkeys(chosen)), grid, encoder, mean_speed,
            partial, runs, json, tuple(setting or ()),
        )
    )  # fmt: skip


@app.command()
def protocols(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One protocol, in full.")] = None,
) -> None:
    """How motion can be scored, and which tables that gives. Example: gesturebench protocols emage-spk2"""
    from gesturebench.protocols import show_protocol, show_protocols

    show_protocol(name) if name else show_protocols()


@app.command()
def methods() -> None:
    """Every method, and whether it can be loaded. Example: gesturebench methods"""
    from gesturebench.commands import show_methods

    show_methods()
