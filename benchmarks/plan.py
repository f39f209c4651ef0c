"""From a grid to the steps that make it: pure, and light enough to run before every command (no torch, no scipy)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.planned import SEVERAL_SAMPLES
from gesturebench.benchmarks.recipe import NotBuilt, Recipe, Recipes
from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.source import FolderSource, StandinSource
from gesturebench.benchmarks.step import Sealed, Step, closure
from gesturebench.common.collection import no_collection
from gesturebench.common.config import Config
from gesturebench.common.corpus.protocol import Protocol, get_protocol
from gesturebench.common.corpus.store import store_version
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.evaluators.base import Evaluator
from gesturebench.evaluators.registry import embedding_metric_names, evaluator_names, get_evaluator
from gesturebench.methods.base import Component


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
    """A grid as steps: `steps` each once, in an order in which every step follows what it needs.

    `absent` says by row label why a row has no cells (its method or a setting is not built yet), `absent_metrics` why a
    metric of the grid is not measured. `missing` says what is read and not on this machine, with the labels of the rows
    that do.
    """

    grid: Grid
    protocol: Protocol
    is_standin: bool
    prepare: Step
    encoders: Mapping[str, Step]
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    absent_metrics: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def cells_of(self, label: str) -> tuple[Cell, ...]:
        return self._cells_by_label.get(label, ())

    @cached_property
    def _cells_by_label(self) -> dict[str, tuple[Cell, ...]]:
        found: defaultdict[str, tuple[Cell, ...]] = defaultdict(tuple)
        for cell in self.cells:
            found[cell.row.label] += (cell,)
        return dict(found)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that are measured."""
        return tuple(metric for metric in metrics_of(self.grid, self.protocol) if metric not in self.absent_metrics)


def metrics_of(grid: Grid, protocol: Protocol) -> tuple[str, ...]:
    """Those that the grid names, else the protocol's; a cell is one sample, so metrics of several are none of them."""
    if grid.metrics is not None:
        return grid.metrics
    return tuple(metric for metric in protocol.evaluators if not get_evaluator(metric).takes_samples)


def make_plan(grid: Grid, source: StandinSource | FolderSource) -> Plan:
    """Every step of the grid on the data of `source`; equal steps of different rows become one.

    On the stand-in, a protocol that is bound to BEAT2 is replaced by what is left of it there; a folder, generated or
    not, is asked for what the protocol names.
    """
    with no_collection():
        return _made(grid.expanded(), source)


def _made(grid: Grid, source: StandinSource | FolderSource) -> Plan:
    protocol = get_protocol(grid.protocol)
    protocol = protocol.on_standin() if isinstance(source, StandinSource) else protocol
    data = tuple(_asking(step, grid) for step in source.steps(store_version()))
    wanted = _known(metrics_of(grid, protocol))
    absent_metrics = {
        name: SEVERAL_SAMPLES
        for name in wanted
        if name in embedding_metric_names() and get_evaluator(name).takes_samples
    }
    scorers = {
        metric: _scorer(metric, grid, protocol, source, data[-1]) for metric in wanted if metric not in absent_metrics
    }
    cells, absent, missing = _cells(grid, protocol, data[-1], scorers)
    rows = tuple(dict.fromkeys(cell.row.label for cell in cells))
    missing |= {line: rows for scorer in scorers.values() for line in scorer.missing}
    encoders = {metric: scorer.encoder for metric, scorer in scorers.items() if scorer.encoder is not None}
    of_embeddings = next((step for metric, step in encoders.items() if metric in embedding_metric_names()), None)
    if of_embeddings is not None:  # for who scores folders of several samples
        encoders |= dict.fromkeys(absent_metrics, of_embeddings)
    steps = closure(step for cell in cells for step in (*cell.evaluate.values(), cell.generate))
    return Plan(grid, protocol, source.is_standin, data[-1], encoders, cells, steps, absent, absent_metrics, missing)


def _known(metrics: tuple[str, ...]) -> tuple[str, ...]:
    known = {*evaluator_names(), *embedding_metric_names()}
    for name in metrics:
        if name not in known:
            raise unknown_name("metric", name, known)
    return metrics


def _asking(step: Step, grid: Grid) -> Step:
    """The step with the grid's resources, on inputs with them."""
    inputs = {name: _asking(needed, grid) for name, needed in step.inputs.items()}
    return replace(step, inputs=inputs, resources=grid.resources.of(step.kind))


@dataclass(frozen=True, eq=False)
class _Scorer:
    """A metric as the grid uses it: what decides its result beside the motion, the step that fits its trained part if
    it has one, and lines about what that reads and is not on this machine."""

    spec: Sealed
    place: Mapping[str, Any]
    encoder: Step | None
    resources: Resources | None
    missing: tuple[str, ...] = ()

    def step(self, label: str, generate: Step, draw: int = 0) -> Step:
        """`draw` is the seed of the run, by which poses that the protocol gives may be drawn."""
        inputs = {"store": generate.inputs["store"], "motions": generate}
        if self.encoder is not None:
            inputs["encoder"] = self.encoder
        place = {**self.place, "draw": draw} if self.place["protocol"].get("given") else self.place
        return Step("evaluate", f"{self.spec['metric']}: {label}", self.spec, inputs, place, self.resources)


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
    config = configured(evaluator, grid.preset, protocol)
    encoder = encoder_step(evaluator, config, prepare, grid.resources.of("fit")) if evaluator.fitted else None
    return scorer(evaluator, config, protocol, encoder, grid.resources.of("evaluate"))


def scorer(
    evaluator: type[Evaluator],
    config: Config,
    protocol: Protocol,
    encoder: Step | None = None,
    resources: Resources | None = None,
) -> _Scorer:
    """What scores a cell by one metric; of the protocol only what the score depends on is part of its identity."""
    spec = {
        "metric": evaluator.name,
        "version": evaluator.version,
        "config": evaluator.score_sections(config),
        "scope": protocol.comparison(),
    }
    return _Scorer(Sealed(spec), {"protocol": _json(protocol)}, encoder, resources, evaluator.absences(config))


def configured(evaluator: type[Evaluator], size: str, protocol: Protocol) -> Config:
    """A metric's settings: those of a size, then the protocol's own. A protocol need not name metrics on embeddings."""
    on_embeddings = evaluator.name in embedding_metric_names() and evaluator.name not in protocol.evaluators
    settings = {} if on_embeddings else protocol.settings(evaluator.name)
    return evaluator.preset(size).updated(settings, f"protocol {protocol.name} {evaluator.name}")


def encoder_step(evaluator: type[Evaluator], config: Config, prepare: Step, resources: Resources | None = None) -> Step:
    """The step that fits a metric's trained part on the prepared data. A part that others may ask for too is the same
    step as a method's component with these values."""
    inputs = {"store": prepare}
    if part := evaluator.trained_part(config):
        spec = {"fit": part.fit, "version": part.version, "config": part.config, "seed": None}
        return Step("fit", part.name, spec, inputs, part.place, resources)
    spec = {"evaluator": evaluator.name, "version": evaluator.version, "config": evaluator.fit_sections(config)}
    place = {"config": _json(config)}
    return Step("fit", f"encoder of {evaluator.name}", spec, inputs, place, resources)


def _cells(
    grid: Grid, protocol: Protocol, prepare: Step, scorers: Mapping[str, _Scorer]
) -> tuple[tuple[Cell, ...], dict[str, str], dict[str, tuple[str, ...]]]:
    """Every cell that can be made, by label why a row has none, and what rows lack on this machine."""
    recipes, fits = Recipes(grid), _Fits(prepare, grid.resources.of("fit"))
    shared = {"scope": Sealed(protocol.scope())}
    place, resources = {"protocol": _json(protocol)}, grid.resources.of("generate")
    cells: list[Cell] = []
    absent: dict[str, str] = {}
    missing: dict[str, tuple[str, ...]] = {}
    for row in grid.rows:
        try:
            recipe = recipes.of(row)
        except NotBuilt as reason:
            absent[row.label] = str(reason)
            continue
        for line in recipe.missing:
            missing[line] = (*missing.get(line, ()), row.label)
        method = recipe.method
        spec = {"method": method.name, "version": method.version, "config": recipe.config, "query": recipe.query}
        spec |= _own_choice(row, protocol)
        for seed in grid.seeds_of(row):
            label = f"{row.label} (seed {seed})"
            inputs = {"store": prepare, **fits.of(recipe, seed)}
            generate = Step("generate", label, {**spec, **shared, "seed": seed}, inputs, place, resources)
            scores = {metric: scorer.step(label, generate, seed) for metric, scorer in scorers.items()}
            cells.append(Cell(row, seed, recipe.query, generate, scores))
    return tuple(cells), absent, missing


def _own_choice(row: Row, protocol: Protocol) -> dict[str, Any]:
    """What a row does otherwise than its protocol."""
    if row.given:
        return {}
    if protocol.given is None:
        raise InputError(
            f"row {row.label!r}: given: false under protocol {protocol.name!r}",
            expected="a protocol that gives poses",
            remedy="leave the key out",
        )
    return {"given": False}


class _Fits:
    """One fit per trained part, after the parts it needs; parts that every seed shares carry no seed in their key.
    A part that several recipes hold is fitted by one step."""

    def __init__(self, prepare: Step, resources: Resources | None):
        self.prepare, self.resources = prepare, resources
        self._known: dict[tuple[Any, ...], Step] = {}

    def of(self, recipe: Recipe, seed: int) -> dict[str, Step]:
        fits: dict[str, Step] = {}
        for part in recipe.parts:
            needed = {name: fits[name] for name in part.needs}
            own_seed = seed if part.seeded else None
            what = (id(part), own_seed, *(step.key for step in needed.values()))
            if what not in self._known:
                self._known[what] = self._fit(part, own_seed, needed)
            fits[part.name] = self._known[what]
        return fits

    def _fit(self, part: Component, seed: int | None, needed: Mapping[str, Step]) -> Step:
        spec = {"fit": part.fit, "version": part.version, "config": part.config, "seed": seed}
        label = part.name if seed is None else f"{part.name} (seed {seed})"
        return Step("fit", label, spec, {"store": self.prepare, **needed}, part.place, self.resources)


def _json(config: Config) -> Sealed:
    return Sealed(config.model_dump(mode="json"))
