"""Intervals of all rows, one panel per column: what is better, and by how much more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from gesturebench.benchmarks.plan import Plan
from gesturebench.evaluators.base import Column
from gesturebench.results.entry import GROUPS, Line, Table
from gesturebench.results.figure_scale import ends, limits, tick_words
from gesturebench.results.figure_style import (
    CLEAR,
    COLOURS,
    DASHES,
    FAINT,
    SMALL,
    SOFT,
    TEXT,
    Grid,
    Key,
    house_style,
    plain,
    refuse_crowd,
    sheet,
    text_width,
    wrapped,
)
from gesturebench.results.figure_words import measured, numbers_caption, state_of, title_of
from gesturebench.results.printed import PUBLISHED, Printed, published_key
from gesturebench.results.render import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = {
    "method": {"marker": "o", "color": COLOURS[0], "markerfacecolor": COLOURS[0]},
    "control": {"marker": "s", "color": COLOURS[1], "markerfacecolor": COLOURS[1]},
    "anchor": {"marker": "D", "color": SOFT, "markerfacecolor": "white"},
    "oracle": {"marker": "^", "color": COLOURS[3], "markerfacecolor": "white"},
}
_COMPETING = ("method", "control")
_PANEL, _LONGEST, _ROW, _ROW_LINE, _MOST = 1.75, 2.3, 0.12, 0.13, 80
"""Inches: the width of a panel, the longest line of a label, the room of a row, and of each line of its label; rows at
most."""


def interval_figure(
    plan: Plan, table: Table, metrics: Sequence[str] = (), published: Printed | None = None
) -> "Figure":
    """One row per row of the grid, one panel per column that holds a number. Anchors go through the panel as dashed
    lines, published values are open circles; a row that lies far outside is told with an arrow."""
    refuse_crowd("rows", len(plan.grid.rows), _MOST)
    with house_style():
        columns = measured(plan, table, metrics)
        rows = _Rows.of([line for _, lines in table.groups() for line in lines])
        grid = Grid(len(columns), min(len(columns), 4), _PANEL, 0.75 + rows.height, rows.width + 0.25)
        caption = numbers_caption(plan, table, columns, "Dashed lines: anchors." if rows.has("anchor") else "")
        keys = [
            Key(told.split(" (")[0], {**_LOOKS[group], "linestyle": "-"})
            for group, told in GROUPS.items()
            if rows.has(group)
        ]
        keys += [published_key(plan.is_standin)] if published else []
        panels = sheet(title_of(plan, "intervals"), caption, grid, keys, share_y=True)
        for place, (axes, column) in enumerate(zip(panels, columns, strict=True)):
            _draw(axes, rows, column, published or {})
            axes.set_yticks(rows.places, ["\n".join(name) for name in rows.names])
            axes.tick_params(axis="y", length=0, labelleft=place % grid.columns == 0)
        return panels[0].get_figure(root=True)


@dataclass(frozen=True)
class _Rows:
    """Lines of the table with their wrapped labels; `edges` in inches from the top, one more than there are rows."""

    lines: Sequence[Line]
    names: Sequence[list[str]]
    edges: Sequence[float]

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "_Rows":
        names = [wrapped(line.label, _LONGEST, TEXT) for line in lines]
        return cls(lines, names, list(accumulate((_ROW + _ROW_LINE * len(name) for name in names), initial=0.0)))

    @property
    def places(self) -> list[float]:
        return [(top + bottom) / 2 for top, bottom in pairwise(self.edges)]

    @property
    def height(self) -> float:
        return self.edges[-1]

    @property
    def width(self) -> float:
        return max(text_width(text, TEXT) for name in self.names for text in name)

    def has(self, group: str) -> bool:
        return any(line.group == group for line in self.lines)


def _draw(axes: "Axes", rows: _Rows, column: Column, published: Printed) -> None:
    """Rows from the top; what has no number says why, unless a published value stands there."""
    low, high = _view(rows.lines, column, published)
    axes.set_xlim(low, high)
    axes.set_ylim(rows.height, 0)
    anchors = 0
    for y, line in zip(rows.places, rows.lines, strict=True):
        entry = line.entries[column.key]
        printed = published.get((line.label, column.key))
        if printed is not None and low <= printed <= high:
            axes.plot([printed], [y], zorder=4, **PUBLISHED)
        elif entry.number is None:
            axes.text(0.5, y, state_of(entry), transform=axes.get_yaxis_transform(), ha="center", va="center",
                      color=SOFT, fontsize=SMALL, style="italic", bbox=CLEAR)  # fmt: skip
        if entry.number is None:
            continue
        mean, *interval = ends(entry.number)
        if line.group == "anchor":
            axes.axvline(mean, color=SOFT, linewidth=0.7, linestyle=DASHES[anchors % len(DASHES)], zorder=1)
            anchors += 1
        axes.plot(interval, [y, y], color=_LOOKS[line.group]["color"], linewidth=1.6, zorder=2, solid_capstyle="butt")
        axes.plot([mean], [y], linestyle="", zorder=3, **_LOOKS[line.group])
        if not low <= mean <= high:
            _point_outside(axes, y, mean, mean > high)
    for edge, (line, after) in zip(rows.edges[1:], pairwise(rows.lines)):
        if line.group != after.group:
            axes.axhline(edge, color=FAINT, linewidth=0.7, zorder=0)
    axes.set_title(heading(column))
    axes.set_xlabel("\n".join(wrapped(column.unit, _PANEL - 0.15, SMALL)), fontsize=SMALL)
    axes.tick_params(axis="x", pad=2)
    axes.locator_params(axis="x", nbins=4)
    tick_words(axes.xaxis)


def _view(lines: Sequence[Line], column: Column, published: Printed) -> tuple[float, float]:
    """What is measured sets the scale; published values far off are not drawn."""
    found = [(line, ends(n)) for line in lines if (n := line.entries[column.key].number)]
    core = [limits_of for line, limits_of in found if _is_core(line, column)]
    printed = [(x, x, x) for line in lines if (x := published.get((line.label, column.key))) is not None]
    return limits(core, [*(limits_of for line, limits_of in found if not _is_core(line, column)), *printed])


def _is_core(line: Line, column: Column) -> bool:
    """Always in view: what competes, and the goal."""
    is_goal = line.method == "ground_truth" and column.direction == "closer to ground truth"
    return line.group in _COMPETING or is_goal


def _point_outside(axes: "Axes", y: float, value: float, right: bool) -> None:
    text = f"{plain(value)} →" if right else f"← {plain(value)}"
    axes.text(0.99 if right else 0.01, y, text, transform=axes.get_yaxis_transform(), ha="right" if right else "left",
              va="center", color=SOFT, fontsize=SMALL, bbox=CLEAR)  # fmt: skip
