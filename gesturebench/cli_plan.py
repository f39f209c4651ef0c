"""The verb `gesturebench plan`."""

from typing import Annotated

import typer

from gesturebench.cli_options import DEFAULT_RUNS, Body, Data, GridName, Metrics, Preset, ProtocolName, Runs, Seeds


def plan(
    grid: GridName,
    data: Data = None,
    body: Body = None,
    runs: Runs = DEFAULT_RUNS,
    seeds: Seeds = None,
    protocol: ProtocolName = None,
    preset: Preset = None,
    metrics: Metrics = None,
    format: Annotated[str, typer.Option(help="tree or json.")] = "tree",
) -> None:
    r"""What a grid would do: its steps, what is done, what cells share, what is left and what that will cost.

    Runs and changes nothing. Example: gesturebench plan 'rag_gesture\[retrieval=none,discourse]' --seeds 0..4
    """
    from gesturebench.planning import open_plan, show_plan

    made = open_plan(grid, runs, data, body, seeds=seeds, protocol=protocol, preset=preset, metrics=metrics)
    show_plan(made, runs, format)
