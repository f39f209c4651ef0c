"""Error by the distance to the nearest pose that was given: how far around a keyframe a method follows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.common.errors import unknown_name
from gesturebench.evaluators.control_frames import DISTANCE_BINS
from gesturebench.results.entry import Table
from gesturebench.results.figure_scale import ends, limits, tick_words
from gesturebench.results.figure_style import (
    DASHES,
    SMALL,
    SOFT,
    Grid,
    Key,
    NothingToDraw,
    house_style,
    look,
    refuse_crowd,
    sheet,
)
from gesturebench.results.figure_words import numbers_caption, title_of
from gesturebench.results.numbers import Number, summarise
from gesturebench.results.reading import Scores, sample_of, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRIC = "mpjpe"
_ERRORS = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE"}
_NAMES = {
    "at_control": "given",
    "1_to_5_frames": "1 to 5",
    "6_to_15_frames": "6 to 15",
    "beyond_15_frames": "over 15",
}
_WIDTH, _HEIGHT, _MOST, _DODGE = 3.0, 2.2, 28, 0.5
"""Inches of a panel; rows at most; share of the room of a distance over which rows are spread."""


@dataclass(frozen=True)
class Error:
    """A panel: what of MPJPE's numbers it shows, `{key}_{distance}{ending}` in its `compute`."""

    name: str
    key: str
    ending: str
    heading: str

    def at(self, distance: str) -> str:
        return f"{self.key}_{distance}{self.ending}"


Found = Mapping[tuple[str, str, str], Number]
"""Numbers by row label, name of the error, and distance."""


def control_figure(
    plan: Plan,
    table: Table,
    store: RunStore,
    metrics: Sequence[str] = (),
    states: Mapping[str, StepState] | None = None,
) -> "Figure":
    """A panel per error (`mpjpe`, `pa_mpjpe`, and with a set of joints that the protocol measures beside:
    `mpjpe_body`), a line per row over four distances, in frames; anchors dashed, but for the truth, which errs
    nowhere."""
    errors = chosen_errors(plan, metrics)
    found = by_distance(plan, store, errors, states)
    labels = {label for label, _, _ in found}
    rows = {row.label: row for row in plan.grid.rows if row.label in labels and row.method != "ground_truth"}
    if not rows:
        raise NothingToDraw(
            f"{plan.grid.title}: no error around a given pose is there yet",
            expected=f"finished scores of {METRIC} under a protocol that gives poses",
            remedy="run the grid first; `gesturebench status` says how far it is",
        )
    refuse_crowd("rows", len(rows), _MOST)
    looks = _looks(rows)
    with house_style():
        said = "Grey lines: anchors." if any(row.group == "anchor" for row in rows.values()) else ""
        columns = [column for column in table.columns if column.key in _ERRORS]
        keys = [Key(label, own) for label, own in looks.items()]
        grid = Grid(len(errors), min(len(errors), 3), _WIDTH, _HEIGHT)
        caption = numbers_caption(plan, table, columns, said)
        panels = sheet(title_of(plan, "around given poses"), caption, grid, keys)
        for axes, error in zip(panels, errors, strict=True):
            _draw(axes, error, found, looks)
        return panels[0].get_figure(root=True)


def chosen_errors(plan: Plan, names: Sequence[str] = ()) -> tuple[Error, ...]:
    """Those that are named, else both over the protocol's own joints."""
    known = {key: Error(key, key, "", heading) for key, heading in _ERRORS.items()}
    if joints := plan.protocol.evaluators.get(METRIC, {}).get("also"):
        told = joints.replace("_", " and ")
        known |= {
            f"{key}_{joints}": Error(f"{key}_{joints}", key, f"_{joints}", f"{heading}, {told}")
            for key, heading in _ERRORS.items()
        }
    for name in names:
        if name not in known:
            raise unknown_name("error", name, known)
    return tuple(known[name] for name in names or _ERRORS)


def by_distance(
    plan: Plan, store: RunStore, errors: Sequence[Error], states: Mapping[str, StepState] | None = None
) -> Found:
    """Every number that all seeds of a row have, with its interval as in tables."""
    if METRIC not in plan.metrics:
        return {}
    scores = Scores([plan], store, store.states(plan.steps) if states is None else states)
    places, samples = [], []
    for row in plan.grid.rows:
        cells = plan.cells_of(row.label)
        done = scores_of(cells, METRIC, scores)
        if not done or len(done) < len(cells):
            continue
        for error in errors:
            for distance in DISTANCE_BINS:
                if all(score.number(error.at(distance)) is not None for score in done):
                    places.append((row.label, error.name, distance))
                    samples.append(sample_of(done, error.at(distance)))
    return dict(zip(places, summarise(samples)[0], strict=True)) if samples else {}


def _looks(rows: Mapping) -> dict[str, dict]:
    """Colours for what competes, grey dashes for anchors."""
    looks: dict[str, dict] = {}
    counts = {True: 0, False: 0}
    for label, row in rows.items():
        is_anchor = row.group == "anchor"
        number = counts[is_anchor]
        dashed = {"color": SOFT, "linewidth": 0.9, "linestyle": DASHES[number % len(DASHES)], "marker": ""}
        looks[label] = dashed if is_anchor else look(number)
        counts[is_anchor] += 1
    return looks


def _draw(axes: "Axes", error: Error, found: Found, looks: Mapping[str, dict]) -> None:
    distances = [d for d in DISTANCE_BINS if any((label, error.name, d) in found for label in looks)]
    competing = [label for label, own in looks.items() if own["marker"]]
    for label, own in looks.items():
        points = [(x, found[label, error.name, d]) for x, d in enumerate(distances) if (label, error.name, d) in found]
        if label in competing:
            shift = _DODGE * (competing.index(label) - (len(competing) - 1) / 2) / len(competing)
            points = [(x + shift, number) for x, number in points]
            x, limits_of = [x for x, _ in points], [ends(number) for _, number in points]
            axes.vlines(x, [low for _, low, _ in limits_of], [high for _, _, high in limits_of], color=own["color"])
        axes.plot([x for x, _ in points], [number.mean for _, number in points], **own)
    mine = {label: [n for (row, name, _), n in found.items() if (row, name) == (label, error.name)] for label in looks}
    shown = [number for label in competing for number in mine[label]]
    beside = [number for label in looks if label not in competing for number in mine[label]]
    axes.set_ylim(*limits([*map(ends, shown)], [(n.mean,) * 3 for n in beside]))
    axes.set_xticks(range(len(distances)), [_NAMES[distance] for distance in distances])
    axes.set_xlim(-0.6, len(distances) - 0.4)
    axes.set_xlabel("frames to the nearest given pose")
    axes.set_ylabel("mm", fontsize=SMALL)
    axes.set_title(f"{error.heading} ↓")
    tick_words(axes.yaxis)
