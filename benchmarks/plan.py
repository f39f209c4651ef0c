"""From a grid to the steps that make it: pure, and light enough to run before every command (no torch, no scipy)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.source import FolderSource, StandinSource
from gesturebench.benchmarks.step import Step, unique
from gesturebench.common.config import Config
from gesturebench.common.corpus.protocol import Protocol, get_protocol
from gesturebench.common.corpus.store import store_version
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Evaluator
from gesturebench.evaluators.registry import get_evaluator
from gesturebench.methods.base import Method
from gesturebench.methods.registry import get_method


@dataclass(frozen=True, eq=False)
class Cell:
    """One row with one seed: the motion it generates and the scores it gets, by metric."""

    row: Row
    seed: int
    query: str
    generate: Step
    evaluate: Mapping[str, Step]


@dataclass(frozen=True, eq=False)
class Plan:
    """A grid as steps: `steps` each once, in an order in which every step follows what it needs."""

    grid: Grid
    protocol: Protocol
    is_standin: bool
    prepare: Step
    encoders: Mapping[str, Step]
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]

    def cells_of(self, label: str) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.row.label == label)

    @property
    def metrics(self) -> tuple[str, ...]:
        return metrics_of(self.grid, self.protocol)


def metrics_of(grid: Grid, protocol: Protocol) -> tuple[str, ...]:
    """Those that the grid names, else the protocol's; a cell is one sample, so metrics of several are none of them."""
    if grid.metrics is not None:
        return grid.metrics
    return tuple(metric for metric in protocol.evaluators if not get_evaluator(metric).takes_samples)


def make_plan(grid: Grid, source: StandinSource | FolderSource) -> Plan:
    """Every step of the grid on the data of `source`; equal steps of different rows become one."""
    protocol = get_protocol(grid.protocol)
    data = source.steps(store_version())
    scorers = {metric: _scorer(metric, grid, protocol, source, data[-1]) for metric in metrics_of(grid, protocol)}
    cells = tuple(
        _cell(row, seed, grid, protocol, data[-1], scorers) for row in grid.rows for seed in grid.seeds_of(row)
    )
    wanted = [step for cell in cells for score in cell.evaluate.values() for step in score.with_inputs()]
    encoders = {metric: scorer.encoder for metric, scorer in scorers.items() if scorer.encoder is not None}
    return Plan(grid, protocol, source.is_standin, data[-1], encoders, cells, unique([*data, *wanted]))


@dataclass(frozen=True, eq=False)
class _Scorer:
    """A metric as the grid uses it: its resolved configuration and, if it has one, the step that fits its trained
    part."""

    evaluator: type[Evaluator]
    config: Config
    protocol: Protocol
    encoder: Step | None

    def step(self, label: str, generate: Step) -> Step:
        name = self.evaluator.name
        spec = {
            "metric": name,
            "version": self.evaluator.version,
            "config": _json(self.config),
            "scope": self.protocol.comparison(),
        }
        inputs = {"store": generate.inputs["store"], "motions": generate} | (
            {"encoder": self.encoder} if self.encoder else {}
        )
        return Step("evaluate", f"{name}: {label}", spec, inputs, place={"protocol": _json(self.protocol)})


def _scorer(
    metric: str, grid: Grid, protocol: Protocol, source: StandinSource | FolderSource, prepare: Step
) -> _Scorer:
    evaluator = get_evaluator(metric)
    if evaluator.requires_truth and not source.has_truth:
        raise InputError(
            f"metric {metric!r} reads the stand-in's truth, which {grid.data} does not have",
            remedy="choose other metrics in the grid, or the protocol beat2",
        )
    if evaluator.takes_samples:
        raise InputError(
            f"metric {metric!r} compares several motions for one speech, a row of a grid makes one for each seed",
            remedy="leave it out, and score folders rep0, rep1, ... with `gesturebench evaluate`",
        )
    config = evaluator.preset(grid.preset).updated(protocol.settings(metric), f"protocol {protocol.name} {metric}")
    return _Scorer(evaluator, config, protocol, encoder_step(evaluator, config, prepare) if evaluator.fitted else None)


def encoder_step(evaluator: type[Evaluator], config: Config, prepare: Step) -> Step:
    """The step that fits a metric's trained part on the prepared data."""
    spec = {"evaluator": evaluator.name, "version": evaluator.version, "config": evaluator.fit_sections(config)}
    return Step("fit", f"encoder of {evaluator.name}", spec, {"store": prepare}, place={"config": _json(config)})


def _cell(row: Row, seed: int, grid: Grid, protocol: Protocol, prepare: Step, scorers: Mapping[str, _Scorer]) -> Cell:
    method = get_method(row.method)
    config = row_config(method, row, grid)
    label = f"{row.label} (seed {seed})"
    query = method.query(config)
    spec = {
        "method": method.name,
        "version": method.version,
        "config": _json(config),
        "seed": seed,
        "query": query,
        "scope": protocol.scope(),
    }
    inputs = {"store": prepare, **_components(method, config, seed, prepare)}
    generate = Step("generate", label, spec, inputs, place={"protocol": _json(protocol)})
    return Cell(
        row, seed, query, generate, {metric: scorer.step(label, generate) for metric, scorer in scorers.items()}
    )


def row_config(method: type[Method], row: Row, grid: Grid) -> Config:
    return method.preset(grid.preset).updated(row.config, f"config of row {row.label!r}")


def _components(method: type[Method], config: Config, seed: int, prepare: Step) -> dict[str, Step]:
    """One fit per trained part, after the parts it needs; parts that every seed shares carry no seed in their key."""
    fits: dict[str, Step] = {}
    for part in method.components(config):
        own_seed = seed if part.seeded else None
        spec = {"fit": part.fit, "version": part.version, "config": dict(part.config), "seed": own_seed}
        label = part.name + (f" (seed {seed})" if part.seeded else "")
        fits[part.name] = Step("fit", label, spec, {"store": prepare, **{name: fits[name] for name in part.needs}})
    return fits


def _json(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json")
