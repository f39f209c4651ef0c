"""Options that mean the same in every verb."""

import os
from pathlib import Path
from typing import Annotated

import typer

_GRID = (
    "a built-in grid (demo, raggesture-table1 ...), a YAML file, or a quick one: METHOD\\[key=value,value], more axes "
    "after ';', keys that walk together as 'key,key=(value,value),(value,value)', more rows after '+'; "
    "see docs/grids.md."
)

GridName = Annotated[str, typer.Argument(metavar="GRID", help=f"A{_GRID[1:]}")]
GridNames = Annotated[list[str], typer.Argument(metavar="GRID...", help=f"Each {_GRID}")]
Data = Annotated[str | None, typer.Option(help="standin:PRESET or a BEAT2 folder, in place of the grid's.")]
Body = Annotated[str | None, typer.Option(help="SMPL-X .npz or `standin`; default: the one in the data folder.")]
Runs = Annotated[Path, typer.Option(help="Folder of all results.", envvar="GESTUREBENCH_RUNS")]
DEFAULT_RUNS = Path("runs")
Seeds = Annotated[str | None, typer.Option(help="0..4 or 0,1,2, in place of the grid's.")]
ProtocolName = Annotated[str | None, typer.Option("--protocol", help="In place of the grid's, see `protocols`.")]
Preset = Annotated[str | None, typer.Option(help="Size of methods and encoders: tiny, demo or paper.")]
Metrics = Annotated[str | None, typer.Option(help="Comma-separated choice of the protocol's metrics.")]


def _told_to_all(offline: bool) -> bool:
    """Worker processes and the jobs of a cluster hear of it by the environment."""
    if offline:
        os.environ["GESTUREBENCH_OFFLINE"] = "1"
    return offline


Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        envvar="GESTUREBENCH_OFFLINE",
        callback=_told_to_all,
        help="Ask no language model, read cached replies; see docs/llm.md.",
    ),
]
