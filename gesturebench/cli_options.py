"""Options that mean the same in every verb."""

import inspect
import itertools
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gesturebench.benchmarks.plan import Plan

_GRID = (
    "a built-in grid (demo, raggesture-table1 ...), a YAML file, or a quick one: METHOD\\[key=value,value], more axes "
    "after ';', keys that walk together as 'key,key=(value,value),(value,value)', more rows after '+'; "
    "see docs/grids.md."
)

GridName = Annotated[str, typer.Argument(metavar="GRID", help=f"A{_GRID[1:]}")]
GridNames = Annotated[list[str], typer.Argument(metavar="GRID...", help=f"Each {_GRID}")]
OnlyGrid = Annotated[str | None, typer.Option(help="Only what this grid needs, under the labels of its rows.")]
KeptGrids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[GRID...]", help="Grids whose results stay; default: all built-in and all ever run."),
]
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


@dataclass(frozen=True, kw_only=True)
class PlanChanges:
    """What may stand in place of a grid's own settings."""

    data: Data = None
    body: Body = None
    runs: Runs = DEFAULT_RUNS
    seeds: Seeds = None
    protocol: ProtocolName = None
    preset: Preset = None
    metrics: Metrics = None

    def plan(self, grid: str) -> "Plan":
        """The plan of a grid with these changes."""
        from gesturebench.planning import open_plan

        changes = {"seeds": self.seeds, "protocol": self.protocol, "preset": self.preset, "metrics": self.metrics}
        return open_plan(grid, self.runs, self.data, self.body, **changes)

    def words(self, grid: str) -> str:
        """How a shell names that plan again.

        >>> PlanChanges(data="standin:tiny").words("rag_gesture[retrieval=none]")
        "'rag_gesture[retrieval=none]' --data standin:tiny"
        """
        understood = {None, DEFAULT_RUNS, Path(os.environ.get("GESTUREBENCH_RUNS", DEFAULT_RUNS))}
        said = {name: getattr(self, name) for name in PlanChanges.__dataclass_fields__}
        said = {f"--{name}": str(value) for name, value in said.items() if value not in understood}
        return shlex.join([grid, *itertools.chain(*said.items())])


@dataclass(frozen=True, kw_only=True)
class Asked(PlanChanges):
    """One grid, as the command line names it."""

    grid: GridName

    def open(self) -> "Plan":
        return self.plan(self.grid)

    def named(self) -> str:
        return self.words(self.grid)


@dataclass(frozen=True, kw_only=True)
class AskedGrids(PlanChanges):
    """Several grids with the same changes."""

    grids: GridNames


@dataclass(frozen=True, kw_only=True)
class AskedScores(PlanChanges):
    """All scores of a run store, or those that one grid needs."""

    grid: OnlyGrid = None

    def open(self) -> "Plan | None":
        return self.plan(self.grid) if self.grid is not None else None


@dataclass(frozen=True, kw_only=True)
class AskedStore(PlanChanges):
    """A run store, and the grids that it is kept for."""

    grids: KeptGrids = None


def takes_plan(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with the options of its first parameter's class in place of that parameter."""
    first, *own = inspect.signature(verb).parameters.values()
    named = inspect.signature(first.annotation).parameters

    @wraps(verb)
    def command(**values: Any) -> None:
        asked = first.annotation(**{name: values.pop(name) for name in named})
        verb(asked, **values)

    # options of a grid come first, as the help shows them in this order
    everything = sorted(named.values(), key=lambda one: one.default is not one.empty)
    keyword = inspect.Parameter.KEYWORD_ONLY
    command.__signature__ = inspect.Signature([one.replace(kind=keyword) for one in (*everything, *own)])
    return command
