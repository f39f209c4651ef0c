"""The verbs that run steps and look after them: `run`, `status`, `logs`, `cancel`, `resubmit`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gesturebench.cli_options import DEFAULT_RUNS, Asked, Offline, Runs, takes_plan

Workers = Annotated[int, typer.Option(min=1, help="Worker processes on this machine, one thread each.")]
ProfileFile = Annotated[
    Path | None, typer.Option("--profile", help="YAML file about the cluster, see docs/slurm.md; default: none.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Stay and submit again what the policy grants another try.")]
Track = Annotated[
    list[str] | None,
    typer.Option("--track", metavar="NAME", help="Also tell tensorboard or wandb, see docs/results.md."),
]
ALL_CPUS = os.cpu_count() or 1


def register(app: typer.Typer) -> None:
    """Add the verbs, in the order in which help shows them."""
    for verb in (run, status, logs, cancel, resubmit):
        app.command()(verb)


@takes_plan
def run(
    asked: Asked,
    launcher: Annotated[str, typer.Option(help="local, or slurm for a cluster.")] = "local",
    profile: ProfileFile = None,
    wait: Wait = False,
    workers: Workers = ALL_CPUS,
    track: Track = None,
    offline: Offline = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Do every step of a grid that is not done yet. Example: gesturebench run demo

    On a cluster the steps are submitted as job arrays and the command returns: run demo --launcher slurm
    """
    from gesturebench.launching import Request, run_plan

    request = Request(asked.named(), asked.runs, launcher, workers, profile, wait, tuple(track or ())).checked()
    if dry_run:
        from gesturebench.commands import show_dry_run

        show_dry_run(asked.open(), asked.runs)
    else:
        raise typer.Exit(run_plan(asked.open(), request))


@takes_plan
def status(
    asked: Asked,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until nothing runs or waits.")] = False,
) -> None:
    """How far a grid is, here and on the cluster, and what failed. Example: gesturebench status demo --watch"""
    from gesturebench.status import show_status

    show_status(asked.open(), asked.runs, asked.named(), watch)


def logs(
    step: Annotated[str, typer.Argument(metavar="STEP", help="Beginning of a step's key, or part of its label.")],
    runs: Runs = DEFAULT_RUNS,
    last: Annotated[int, typer.Option(min=1, help="How many attempts at each step.")] = 3,
) -> None:
    """What the last attempts at a step said, and Slurm about their jobs. Example: gesturebench logs 'RAG (seed 0)'"""
    from gesturebench.status import show_logs

    show_logs(step, runs, last)


@takes_plan
def cancel(asked: Asked) -> None:
    """End a grid's jobs on the cluster; what is finished is kept. Example: gesturebench cancel demo"""
    from gesturebench.launching import cancel_plan

    raise typer.Exit(cancel_plan(asked.open(), asked.runs))


@takes_plan
def resubmit(
    asked: Asked,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="failed, timeout, preempted, memory, node, cancelled or missing; several times for several.",
        ),
    ] = None,
    step: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Only steps whose key begins so.")] = None,
    launcher: Annotated[str | None, typer.Option(help="local or slurm; default: where it was run last.")] = None,
    profile: ProfileFile = None,
    wait: Wait = False,
    workers: Workers = ALL_CPUS,
    offline: Offline = False,
) -> None:
    """Run again what ended without a result. Example: gesturebench resubmit demo --only failed"""
    from gesturebench import launching

    plan = asked.open()
    launcher = launcher or launching.default_launcher(plan, asked.runs)
    request = launching.Request(asked.named(), asked.runs, launcher, workers, profile, wait).checked()
    raise typer.Exit(launching.resubmit(plan, request, only or (), step or ()))
