"""From what the command line says to a grid and its plan, and the verb `plan`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from gesturebench.benchmarks.grid import Grid, Size, StepResources, checked, grid_names, load_grid, seeds_from
from gesturebench.benchmarks.plan import Plan, make_plan
from gesturebench.benchmarks.quick import is_quick, quick_grid
from gesturebench.benchmarks.source import STANDIN, find_source
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.console import console

DEFAULT_STANDIN = f"{STANDIN}demo"


def open_grid(
    text: str,
    *,
    data: str | None = None,
    body: str | None = None,
    protocol: str | None = None,
    preset: str | None = None,
    metrics: str | Sequence[str] | None = None,
    seeds: str | Sequence[int] | None = None,
) -> Grid:
    """The expanded grid of a built-in name, a YAML file or a quick text, with what is not None in place of its own.

    `data` may be `standin` alone; `metrics` and `seeds` may be texts such as `fgd,bc` and `0..4`. Seeds replace the
    grid's, not those of a row that has its own. A grid of paper size that is sent to the stand-in comes in a size that
    suits it and asks for no resources, unless a preset is asked for.
    """
    data = DEFAULT_STANDIN if data == STANDIN.rstrip(":") else data
    grid = _quick(text, data) if _means_quick(text) else load_grid(text)
    changes: dict[str, Any] = {"data": data, "body": body, "protocol": protocol}
    if grid.preset == "paper" and preset is None and _standin_size(data):
        changes |= {"preset": _standin_size(data), "resources": StepResources()}
    elif preset is not None:
        changes["preset"] = _size(preset)
    if metrics is not None:
        changes["metrics"] = tuple(_words(metrics) if isinstance(metrics, str) else metrics)
    if seeds is not None:
        changes["seeds"] = _seeds(seeds)
    return checked(grid.model_copy(update={key: value for key, value in changes.items() if value is not None}), text)


def open_plan(text: str, runs: Path, data: str | None = None, body: str | None = None, **changes: Any) -> Plan:
    """The plan of a grid, see `open_grid`; `changes` are its other arguments."""
    grid = open_grid(text, data=data, body=body, **changes)
    if grid.data.startswith(STANDIN):
        return make_plan(grid, find_source(grid.data, grid.body, runs))
    with console(stderr=True).status(f"reading {grid.data}"):  # hashes every file the first time
        source = find_source(grid.data, grid.body, runs)
    return make_plan(grid, source)


def show_plan(plan: Plan, runs: Path, format: str = "tree") -> None:
    """Say what there is to do, without doing or changing anything."""
    from gesturebench.benchmarks.forecast import forecast
    from gesturebench.benchmarks.overview import overview
    from gesturebench.benchmarks.state import RunStore
    from gesturebench.plan_picture import FORMATS
    from gesturebench.slurm.states import overlay

    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    store = RunStore(runs)
    states = overlay(store.states(plan.steps), plan.steps, store)
    to_do = [step for step in plan.steps if states[step.key].status != "done"]
    FORMATS[format](overview(plan, states, forecast(to_do, runs)))


def _means_quick(text: str) -> bool:
    from gesturebench.methods.registry import method_names

    return text not in grid_names() and (is_quick(text) or text in method_names())


def _quick(text: str, data: str | None) -> Grid:
    """A quick grid on the stand-in, or on the data that is given in the size of a paper."""
    data = data or DEFAULT_STANDIN
    on_standin = data.startswith(STANDIN)
    size = _standin_size(data) or "paper"
    return quick_grid(text, data, "standin" if on_standin else "beat2", size)


def _standin_size(data: str | None) -> str | None:
    """The size of methods that suits a stand-in corpus; None for other data."""
    if data is None or not data.startswith(STANDIN):
        return None
    name = data.removeprefix(STANDIN)
    return name if name in get_args(Size) else "demo"


def _size(preset: str) -> str:
    if preset not in get_args(Size):
        raise unknown_name("preset", preset, get_args(Size))
    return preset


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _seeds(seeds: str | Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(seeds_from(seeds))
    except ValueError as error:
        raise InputError(f"--seeds {seeds}", expected=str(error), remedy="correct it") from error
