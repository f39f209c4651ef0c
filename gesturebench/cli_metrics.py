"""The verbs of `gesturebench metrics`."""

from pathlib import Path
from typing import Annotated

import typer

metrics_app = typer.Typer(help="Every metric and its columns; what it is, what it sees. Example: gesturebench metrics")


@metrics_app.callback(invoke_without_command=True)
def metrics(context: typer.Context) -> None:
    """Every metric and its columns. Example: gesturebench metrics"""
    if context.invoked_subcommand is None:
        from gesturebench.commands import show_metrics

        show_metrics()


@metrics_app.command()
def show(metric: Annotated[str, typer.Argument(metavar="METRIC", help="Name of a metric.")]) -> None:
    """Formula, unit, direction, printed scales and source. Example: gesturebench metrics show bc"""
    from gesturebench.metrics import show_metric

    show_metric(metric)


@metrics_app.command()
def reference(
    page: Annotated[Path | None, typer.Option(help="Page to renew it in, such as docs/metrics.md.")] = None,
) -> None:
    """What all metrics declare, as Markdown. Example: gesturebench metrics reference --page docs/metrics.md"""
    from gesturebench.metrics import renew_reference

    renew_reference(page)


@metrics_app.command()
def card(
    metric: Annotated[str | None, typer.Argument(metavar="METRIC", help="Name of a metric; default: all.")] = None,
    data: Annotated[str, typer.Option(help="standin:PRESET or a BEAT2 folder.")] = "standin:demo",
    body: Annotated[
        str | None, typer.Option(help="SMPL-X .npz or `standin`; default: the one in the data folder.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Which clips and settings; default: standin, on BEAT2 beat2.")
    ] = None,
    splits: Annotated[str, typer.Option(help="Comma-separated splits to draw clips from, or all.")] = "val,test",
    clips: Annotated[int, typer.Option(min=4, help="Clips that are damaged, drawn by the seed.")] = 24,
    seed: Annotated[int, typer.Option(help="Of the draw, the noise and the halves.")] = 0,
    size: Annotated[str, typer.Option(help="Size of trained parts: tiny, demo or paper.")] = "demo",
    runs: Annotated[Path, typer.Option(help="Folder of all results.", envvar="GESTUREBENCH_RUNS")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder of the cards; default: RUNS/cards.")] = None,
) -> None:
    """What a metric sees of damaged motion and what it is blind to. Example: gesturebench metrics card bc"""
    from gesturebench.metrics import CardRequest, make_cards

    names = tuple(dict.fromkeys(name.strip() for name in splits.split(",") if name.strip()))
    make_cards(CardRequest(metric, data, body, protocol, names, clips, seed, size, runs, out))
