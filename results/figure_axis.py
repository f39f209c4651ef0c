"""A metric along an axis of the grid: a sweep of a number, or a choice among named values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gesturebench.benchmarks.plan import Plan
from gesturebench.evaluators.base import Column
from gesturebench.results.entry import Line, Table
from gesturebench.results.figure_scale import ends, limits, tick_words
from gesturebench.results.figure_style import (
    DASHES,
    SMALL,
    SOFT,
    TEXT,
    Grid,
    Key,
    house_style,
    look,
    plain,
    refuse_crowd,
    sheet,
    text_width,
    wrapped,
)
from gesturebench.results.figure_sweep import Sweep, find_sweep
from gesturebench.results.figure_words import measured, numbers_caption, title_of
from gesturebench.results.numbers import Number
from gesturebench.results.printed import PUBLISHED, Printed, published_key
from gesturebench.results.render import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _MOST = 3.0, 2.2, 28
"""Inches of a panel; lines at most."""
_LOG_FROM = 50
"""Positive values whose ratio is larger stand on a logarithmic axis."""
_LONGEST_NAME, _TOLD_LINE = 1.8, 0.13
"""Inches of a turned name before it is wrapped, and of a line about what is off the scale."""
_DODGE = 0.5
"""Share of the room of a named value over which the series are spread."""


def axis_figure(
    plan: Plan,
    table: Table,
    metrics: Sequence[str] = (),
    axis: str | None = None,
    published: Printed | None = None,
) -> "Figure":
    """One panel per column that holds a number, one line per series of rows with its 95 % interval as a band; rows
    without a number are gaps, published values open markers, rows beside the axis dashed lines."""
    sweep = find_sweep(plan, axis)
    refuse_crowd("lines", len(sweep.series) + len(sweep.beside), _MOST)
    with house_style():
        columns = measured(plan, table, metrics)
        lines = {line.label: line for line in table.lines}
        sweep = sweep.without(
            {label for label in sweep.beside if not any(lines[label].entries[c.key].number for c in columns)}
        )
        looks = [look(i) for i in range(len(sweep.series))]
        printed = published or {}
        keys = _keys(sweep, looks, bool(printed), plan.is_standin)
        names = _Names.of(sweep)
        grid = Grid(len(columns), min(len(columns), 3), _WIDTH, _HEIGHT + names.extra, 0.2)
        panels = sheet(title_of(plan, f"along {sweep.axis}"), numbers_caption(plan, table, columns), grid, keys)
        for axes, column in zip(panels, columns, strict=True):
            _Panel(axes, sweep, lines, column, printed).draw(looks)
            _name_places(axes, sweep, names)
        return panels[0].get_figure(root=True)


def _keys(sweep: Sweep, looks: Sequence[dict], has_published: bool, is_standin: bool) -> list[Key]:
    keys = [Key(series.name, own) for series, own in zip(sweep.series, looks, strict=True)]
    keys += [Key(label, _beside(i)) for i, label in enumerate(sweep.beside)]
    return keys + ([published_key(is_standin)] if has_published else [])


def _beside(number: int) -> dict:
    return {"color": SOFT, "linewidth": 0.9, "linestyle": DASHES[number % len(DASHES)]}


@dataclass(frozen=True, eq=False)
class _Panel:
    """One column along the axis."""

    axes: "Axes"
    sweep: Sweep
    lines: Mapping[str, Line]
    column: Column
    printed: Printed

    def draw(self, looks: Sequence[dict]) -> None:
        self._scale()
        for number, (series, own) in enumerate(zip(self.sweep.series, looks, strict=True)):
            found = {place: n for place, label in sorted(series.rows.items()) if (n := self._number(label))}
            for run in _runs(found, sorted(series.rows)):
                self._draw_run([(self._x(place, number), found[place]) for place in run], own)
            told = [
                (self._x(place, number), self.printed[label, self.column.key])
                for place, label in series.rows.items()
                if (label, self.column.key) in self.printed
            ]
            if told:
                self.axes.plot(*zip(*told), **(PUBLISHED | {"color": own["color"]}))
        self._draw_beside()
        self.axes.set_title(heading(self.column))
        self.axes.set_ylabel("\n".join(wrapped(self.column.unit, _HEIGHT - 0.9, SMALL)), fontsize=SMALL)
        tick_words(self.axes.yaxis)

    def _number(self, label: str) -> Number | None:
        return self.lines[label].entries[self.column.key].number

    def _x(self, place: int, series: int) -> float:
        """The value itself, or its place among the names; there, series stand beside each other."""
        if self.sweep.is_numeric:
            return self.sweep.values[place]
        n = len(self.sweep.series)
        return place + _DODGE * (series - (n - 1) / 2) / n

    def _scale(self) -> None:
        rows = [label for series in self.sweep.series for label in series.rows.values()]
        numbers = [n for label in rows if (n := self._number(label))]
        printed = [self.printed[label, self.column.key] for label in rows if (label, self.column.key) in self.printed]
        goals = [n for label in self.sweep.beside if self._is_goal(label) and (n := self._number(label))]
        beside = [n for label in self.sweep.beside if not self._is_goal(label) and (n := self._number(label))]
        core = [*((x, x, x) for x in printed), *map(ends, numbers), *((n.mean,) * 3 for n in goals)]
        self.axes.set_ylim(*limits(core, [(n.mean,) * 3 for n in beside]))

    def _is_goal(self, label: str) -> bool:
        return self.lines[label].method == "ground_truth" and self.column.direction == "closer to ground truth"

    def _draw_run(self, points: Sequence[tuple[float, Number]], own: dict) -> None:
        """Neighbours that all have a number: a band along numbers, bars at names and at a point that stands alone."""
        x = [place for place, _ in points]
        mean, low, high = zip(*(ends(number) for _, number in points), strict=True)
        if self.sweep.is_numeric and len(points) > 1:
            self.axes.fill_between(x, low, high, color=own["color"], alpha=0.18, linewidth=0, zorder=1)
        else:
            self.axes.vlines(x, low, high, color=own["color"], linewidth=1.1, zorder=2)
        faint = {} if self.sweep.is_numeric else {"linewidth": 0.6}  # between names there is nothing
        self.axes.plot(x, mean, zorder=3, **(own | faint))

    def _draw_beside(self) -> None:
        """Rows without the key; those off the scale are told at its ends, where room is made for them."""
        low, high = self.axes.get_ylim()
        for number, label in enumerate(self.sweep.beside):
            found = self._number(label)
            if found is not None and low <= found.mean <= high:
                self.axes.axhline(found.mean, zorder=0, **_beside(number))
        means = {label: found.mean for label in self.sweep.beside if (found := self._number(label))}
        above = self._told("↑", {label: mean for label, mean in means.items() if mean > high})
        below = self._told("↓", {label: mean for label, mean in means.items() if mean < low})
        line = _TOLD_LINE * (high - low) / (_HEIGHT - 0.7)
        self.axes.set_ylim(low - line * len(below), high + line * len(above))
        for words, end, align in ((above, 1, "top"), (below, 0, "bottom")):
            self.axes.text(1, end, "\n".join(words), transform=self.axes.transAxes, ha="right", va=align,
                           fontsize=SMALL, color=SOFT)  # fmt: skip

    def _told(self, arrow: str, means: Mapping[str, float]) -> list[str]:
        told = ", ".join(f"{label} {plain(mean)}" for label, mean in means.items())
        return wrapped(f"{arrow} {told}", _WIDTH - 0.8, SMALL) if told else []


def _runs(found: Mapping[int, Number], places: Sequence[int]) -> Iterator[list[int]]:
    """Stretches of the series' places that have a number."""
    run: list[int] = []
    for place in places:
        if place in found:
            run.append(place)
        elif run:
            yield run
            run = []
    if run:
        yield run


@dataclass(frozen=True)
class _Names:
    """How the places of named values are written: turned where they would touch, `extra` inches of height for that."""

    texts: tuple[str, ...]
    turned: bool
    extra: float

    @classmethod
    def of(cls, sweep: Sweep) -> "_Names":
        widest = max(text_width(name, SMALL) for name in sweep.names)
        if sweep.is_numeric or widest < 0.9 * (_WIDTH - 0.8) / len(sweep.values):
            return cls(sweep.names, False, 0.0)
        texts = tuple("\n".join(wrapped(name, _LONGEST_NAME, SMALL)) for name in sweep.names)
        return cls(texts, True, 0.7 * min(widest, _LONGEST_NAME))


def _name_places(axes: "Axes", sweep: Sweep, names: _Names) -> None:
    axes.set_xlabel(sweep.axis, fontsize=TEXT)
    if not sweep.is_numeric:
        turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if names.turned else {}
        axes.set_xticks(range(len(names.texts)), names.texts, **turn)
        axes.set_xlim(-0.6, len(names.texts) - 0.4)
        return
    if min(sweep.values) > 0 and max(sweep.values) / min(sweep.values) > _LOG_FROM:
        axes.set_xscale("log")
    if len(sweep.values) <= 8:
        _ticks_at_values(axes, sweep)
    tick_words(axes.xaxis)


def _ticks_at_values(axes: "Axes", sweep: Sweep) -> None:
    """Where the values were measured; those that would touch their left neighbour's label stay without one."""
    from math import log

    scaled = [log(v) for v in sweep.values] if axes.get_xscale() == "log" else list(sweep.values)
    per_unit = (_WIDTH - 0.8) / (scaled[-1] - scaled[0])
    kept, end = [], float("-inf")
    for value, place in zip(sweep.values, scaled, strict=True):
        half = text_width(plain(value), SMALL) / 2 + 0.03
        if place * per_unit - half > end:
            kept.append(value)
            end = place * per_unit + half
    axes.set_xticks(kept)
