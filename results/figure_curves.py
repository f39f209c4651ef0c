"""Training curves of a grid's fits: one panel per component, one line per seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.common.convergence import settled_step
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import read_json
from gesturebench.common.fitting import CURVE, TRAINING
from gesturebench.results.figure_scale import tick_words
from gesturebench.results.figure_style import Grid, Key, NothingToDraw, house_style, look, refuse_crowd, sheet
from gesturebench.results.figure_words import title_of
from gesturebench.results.remarks import trained_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS = "loss"
"""What is minimised; components name its terms as they like."""

_WIDTH, _HEIGHT, _BINS, _LOG_FROM, _MOST = 2.3, 1.75, 200, 10, 28
"""Inches of a panel; points of a line at most; losses whose ratio is larger stand on a logarithmic axis;
lines at most."""


@dataclass(frozen=True)
class Fit:
    """A fit step: its component, what tells it from other fits of the component, its curve, rows of named losses
    (none if there is none), and what its training took (nothing if it did not say)."""

    component: str
    name: str
    step: Step
    curve: tuple[Mapping[str, float], ...] = ()
    took: Mapping[str, Any] = field(default_factory=dict)


def curve_figure(
    plan: Plan, store: RunStore, losses: Sequence[str] = (), states: Mapping[str, StepState] | None = None
) -> "Figure":
    """The named losses (default: what is minimised) of every finished fit that left a curve."""
    states = store.states(plan.steps) if states is None else states
    fits = [_with_curve(fit, store, states) for fit in fits_of(plan)]
    wanted = tuple(losses) or (LOSS,)
    known = {name for fit in fits for row in fit.curve[-1:] for name in row} - {"step"}
    if not known:
        raise NothingToDraw(
            f"{plan.grid.title}: no training curve is there yet",
            expected=f"finished fits with {CURVE}",
            remedy="run the grid first",
        )
    for name in wanted:
        if name not in known:
            raise unknown_name("loss", name, known)
    shown = [(component, loss) for component in _components(fits) for loss in wanted if _has(fits, component, loss)]
    names = list(dict.fromkeys(fit.name for fit in fits if fit.curve))
    refuse_crowd("curves", len(names), _MOST)
    looks = {name: {**look(i), "marker": ""} for i, name in enumerate(names)}
    with house_style():
        keys = [Key(name, look) for name, look in looks.items()]
        grid = Grid(len(shown), min(len(shown), 3), _WIDTH, _HEIGHT)
        panels = sheet(title_of(plan, "training"), _caption(plan, fits, store, states), grid, keys)
        for axes, (component, loss) in zip(panels, shown, strict=True):
            mine = [fit for fit in fits if fit.component == component and fit.curve and loss in fit.curve[-1]]
            _draw(axes, mine, loss, looks)
            axes.set_title(component)
            axes.set_ylabel(loss)
        return panels[0].get_figure(root=True)


def fits_of(plan: Plan) -> Iterator[Fit]:
    """Every fit of the plan, once. Fits of one component and seed that differ are told by the first row that uses
    them."""
    users = _first_rows(plan)
    fits = [step for step in plan.steps if step.kind == "fit"]
    seeds = [(_component(step), step.spec.get("seed")) for step in fits]
    for step, (component, seed) in zip(fits, seeds, strict=True):
        said = "shared by all seeds" if seed is None else f"seed {seed}"
        if seeds.count((component, seed)) > 1:
            said += f", {users[step.key]}"
        yield Fit(component, said, step)


def _component(step: Step) -> str:
    """The label without the seed that it ends with."""
    return step.label.removesuffix(f" (seed {step.spec.get('seed')})")


def _first_rows(plan: Plan) -> dict[str, str]:
    found: dict[str, str] = {}
    for cell in plan.cells:
        for step in cell.generate.inputs.values():
            for needed in step.with_inputs():
                found.setdefault(needed.key, cell.row.label)
    return found


def _with_curve(fit: Fit, store: RunStore, states: Mapping[str, StepState]) -> Fit:
    path = fit.step.folder(store.runs) / CURVE
    if states[fit.step.key].status != "done" or not path.is_file():
        return fit
    curve = read_json(path)
    if not isinstance(curve, list) or not all(isinstance(row, dict) and "step" in row for row in curve):
        raise InputError(
            f"{path}: not a training curve", expected="a list of losses with their step", remedy=f"delete {path.parent}"
        )
    record = path.with_name(TRAINING)
    took = read_json(record) if record.is_file() else {}
    return Fit(fit.component, fit.name, fit.step, tuple(curve), took)


def _components(fits: Sequence[Fit]) -> list[str]:
    return list(dict.fromkeys(fit.component for fit in fits))


def _has(fits: Sequence[Fit], component: str, loss: str) -> bool:
    return any(fit.component == component and loss in row for fit in fits for row in fit.curve[-1:])


def _caption(plan: Plan, fits: Sequence[Fit], store: RunStore, states: Mapping[str, StepState]) -> str:
    """What the fits learnt on, which of them with a smaller batch, and which have no curve."""
    later = [fit for fit in fits if states[fit.step.key].status != "done"]
    silent = [fit.component for fit in fits if not fit.curve and fit not in later]
    thinned = any(len(fit.curve) > _BINS for fit in fits)
    sentences = [
        f"Training split of {plan.grid.data}, size {plan.grid.preset}, losses by training step.",
        f"Lines: medians of {_BINS} stretches; bands: their least and largest values." if thinned else "",
        *(f"{label} {trained_with(divisor)}." for label, divisor in _divided(fits, store) if divisor != 1),
        f"Finished without a curve: {', '.join(dict.fromkeys(silent))}." if silent else "",
        f"Not finished: {', '.join(f'{fit.step.label} ({states[fit.step.key].status})' for fit in later)}."
        if later
        else "",
    ]
    return " ".join(filter(None, sentences))


def _divided(fits: Sequence[Fit], store: RunStore) -> Iterator[tuple[str, int]]:
    """Labels of the fits that are drawn, and what their batch was divided by."""
    for fit in fits:
        if fit.curve:
            yield fit.step.label, store.record(fit.step).get("batch_divisor", 1)


def _draw(axes: "Axes", fits: Sequence[Fit], loss: str, looks: Mapping[str, dict]) -> None:
    lows, highs = [], []
    for fit in fits:
        steps, middle, low, high = thinned(
            np.array([row["step"] for row in fit.curve]), np.array([row[loss] for row in fit.curve])
        )
        own = looks[fit.name]
        if len(steps) < len(fit.curve):
            axes.fill_between(steps, low, high, color=own["color"], alpha=0.18, linewidth=0)
        axes.plot(steps, middle, **(own | {"marker": "o" if len(steps) == 1 else ""}))
        lows.append(low.min())
        highs.append(high.max())
    if min(lows) > 0 and max(highs) / min(lows) > _LOG_FROM:
        axes.set_yscale("log")
    axes.text(
        0.98, 0.97, pace(fits, loss), transform=axes.transAxes, ha="right", va="top", fontsize="x-small", color="0.35"
    )
    axes.set_xlabel("step")
    axes.locator_params(axis="x", nbins=4)
    tick_words(axes.xaxis)
    tick_words(axes.yaxis)


def pace(fits: Sequence[Fit], loss: str) -> str:
    """How many windows a second the trainings took, and after how many the loss was near where it ended: medians of
    those that left a record.

    >>> curve = tuple({"step": 10 * k, "loss": 1 + 2.0**-k} for k in range(1, 9))
    >>> pace([Fit("denoiser", "seed 0", None, curve, {"windows_per_s": 131.4, "batch": 16})], "loss")
    '131 windows/s\\nwithin 5 % after 800'
    """
    known = [fit for fit in fits if {"windows_per_s", "batch"} <= fit.took.keys()]
    if not known:
        return ""
    speed = median(fit.took["windows_per_s"] for fit in known)
    settled = median(settled_step(fit.curve, name=loss) * fit.took["batch"] for fit in known)
    return f"{speed:.3g} windows/s\nwithin 5 % after {settled:,.0f}"


def thinned(steps: np.ndarray, values: np.ndarray, bins: int = _BINS) -> tuple[np.ndarray, ...]:
    """Last step, median, least and largest value of `bins` stretches of equal length; as it is where it is short."""
    if len(steps) <= bins:
        return steps, values, values, values
    parts = np.array_split(values, bins)
    last = np.cumsum([len(part) for part in parts]) - 1
    found = [(np.median(part), part.min(), part.max()) for part in parts]
    middle, low, high = np.array(found).T
    return steps[last], middle, low, high
