"""The picture of a metric card: how far every intervention moves the metric, and what the sample's size does to it.

Verdicts differ in marker and fill as well as in colour (Okabe and Ito's palette), so that the picture reads in grey.
"""

import io
from collections.abc import Sequence

import numpy as np

from gesturebench.results.card_text import Setting, title_of
from gesturebench.results.metric_card import NOTICED, Card, ColumnCard

_SEES, _BLIND, _PREFERS, _LINE = "#0072B2", "#FFFFFF", "#D55E00", "#555555"
_LOOKS = {
    "sees": {"marker": "o", "color": _SEES, "edgecolors": _SEES},
    "blind": {"marker": "o", "color": _BLIND, "edgecolors": "#000000"},
    "prefers": {"marker": "X", "color": _PREFERS, "edgecolors": "#000000"},
}
_LEGEND = {"sees": "sees it", "blind": "blind", "prefers": "prefers it to the ground truth"}
_FARTHEST = 300.0
"""Changes beyond this many spreads are drawn at the edge."""


def draw_card(card: Card, setting: Setting) -> bytes:
    """PNG with two panels per column of the card and of the cards beside it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = card.all_columns
    rows = len(columns[0][1].readings) - 1
    figure = Figure(figsize=(2.2 + 3.0 * len(columns), 3.4 + 0.19 * rows), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, len(columns), height_ratios=(0.19 * rows, 1.9))
    first = None
    for place, (owner, column) in enumerate(columns):
        axes = figure.add_subplot(grid[0, place], sharey=first)
        first = first or axes
        _draw_changes(axes, column, names=place == 0)
        axes.set_title(f"{title_of(owner, column)}\n({column.column.direction})", fontsize=9)
        _draw_sizes(figure.add_subplot(grid[1, place]), column)
    figure.suptitle(f"{card.label}: what it sees ({setting.title}, {card.clips} clips)", fontsize=11)
    _draw_legend(figure)
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor="white")
    return out.getvalue()


def _draw_changes(axes, column: ColumnCard, names: bool) -> None:
    """One row per intervention, from the top; the band is what goes unnoticed."""
    readings = column.readings[1:]
    y = np.arange(len(readings))
    axes.axvspan(-NOTICED, NOTICED, color="#e6e6e6", zorder=0)
    axes.axvline(0, color=_LINE, linewidth=0.8, zorder=1)
    for verdict, look in _LOOKS.items():
        mine = [i for i, reading in enumerate(readings) if reading.verdict == verdict]
        x = [float(np.clip(readings[i].change, -_FARTHEST, _FARTHEST)) for i in mine]
        axes.hlines(y[mine], 0, x, color=_LINE, linewidth=0.7, zorder=1)
        axes.scatter(x, y[mine], s=26, linewidths=0.8, zorder=2, **look)
    for i in (i for i, reading in enumerate(readings) if reading.verdict not in _LOOKS):
        axes.text(0, i, readings[i].verdict, fontsize=6, ha="center", va="center", color=_LINE)
    axes.set_xscale("symlog", linthresh=NOTICED, linscale=0.8)
    axes.set_xlim(-1.4 * _FARTHEST, 1.4 * _FARTHEST)
    axes.set_xticks((-100, -10, -2, 0, 2, 10, 100), ("-100", "-10", "-2", "0", "2", "10", "100"), fontsize=7)
    axes.set_xlabel("change against ground truth, spreads", fontsize=7)
    axes.set_ylim(len(readings) - 0.5, -0.5)
    axes.set_yticks(y, [reading.act.name for reading in readings], fontsize=7)
    axes.tick_params(axis="y", labelleft=names, length=0)
    _separate(axes, [reading.act.family for reading in readings])
    axes.spines[["top", "right"]].set_visible(False)


def _separate(axes, families: Sequence[str]) -> None:
    """A thin line where another kind of damage begins."""
    for i in range(1, len(families)):
        if families[i] != families[i - 1]:
            axes.axhline(i - 0.5, color="#dddddd", linewidth=0.6, zorder=0)


def _draw_sizes(axes, column: ColumnCard) -> None:
    """Captured motion alone: what a smaller or larger sample of the same motion is given."""
    by_feature = any(size.features for size in column.sizes)
    x = [size.features if by_feature else size.frames for size in column.sizes]
    axes.errorbar(
        x,
        [size.mean for size in column.sizes],
        [size.spread for size in column.sizes],
        color="#000000",
        marker="s",
        markersize=3.5,
        linewidth=1,
        capsize=2,
    )
    axes.set_xscale("log")
    axes.set_xlabel(f"{'features a side' if by_feature else 'frames'} of captured motion", fontsize=7)
    axes.set_ylabel(column.column.heading, fontsize=7)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_legend(figure) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=look["marker"],
            markerfacecolor=look["color"],
            markeredgecolor=look["edgecolors"],
        )
        for look in _LOOKS.values()
    ]
    figure.legend(handles, _LEGEND.values(), loc="outside lower center", ncols=3, fontsize=7, frameon=False)
