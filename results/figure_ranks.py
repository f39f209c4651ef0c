"""Critical-difference diagrams (Demšar 2006): which rows rank better than which over the clips."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gesturebench.benchmarks.plan import Plan
from gesturebench.evaluators.base import Column, Direction
from gesturebench.results.entry import Line, Table
from gesturebench.results.figure_style import (
    COLOURS,
    INK,
    SMALL,
    SOFT,
    TEXT,
    Grid,
    NothingToDraw,
    house_style,
    refuse_crowd,
    sheet,
    text_width,
    wrapped,
)
from gesturebench.results.figure_words import absent, chosen_columns, title_of
from gesturebench.results.numbers import Sample
from gesturebench.results.rank_statistics import ALPHA, Ranking, Test, rank
from gesturebench.results.remarks import setting_of
from gesturebench.results.render import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST = 3
"""Rows below this number are compared by their interval, not ranked."""

_SCALE, _LONGEST, _LEVEL, _NUMBER, _MOST = 3.2, 1.9, 0.16, 0.38, 30
"""Inches: the axis of ranks, the longest line of a label, one level of bars or labels, a mean rank; rows at most."""
_TESTS = {
    "nemenyi": "Nemenyi's critical difference",
    "wilcoxon": "Wilcoxon's signed ranks with Holm's correction over all pairs",
}


def rank_figure(plan: Plan, table: Table, metrics: Sequence[str] = (), test: Test = "nemenyi") -> "Figure":
    """One diagram per column in which three or more competing rows have values by clip. Bars join rows that are not
    told apart at 5 %."""
    columns = {column.key: column for column in chosen_columns(plan, metrics)}
    ranked = {key: (labels, rank(losses, test)) for key, (labels, losses) in _ranked(plan, table, columns.values())}
    if not ranked:
        raise NothingToDraw(
            f"{plan.grid.title}: nothing to rank",
            expected=f"{FEWEST} or more methods or controls with values by clip (FGD has none) on the same clips",
            remedy="choose another metric, run more rows, or draw --kind interval",
        )
    refuse_crowd("ranked rows", max(len(labels) for labels, _ in ranked.values()), _MOST)
    with house_style():
        names = {label: wrapped(label, _LONGEST, TEXT) for labels, _ in ranked.values() for label in labels}
        side = max(text_width(line, TEXT) for lines in names.values() for line in lines) + _NUMBER + 0.2
        tall = max(_height(labels, found, names) for labels, found in ranked.values())
        grid = Grid(len(ranked), 1, _SCALE + 2 * side, tall + 0.3, 0.0)
        panels = sheet(title_of(plan, "ranks"), _caption(plan, table, ranked, test), grid)
        for axes, (key, (labels, found)) in zip(panels, ranked.items(), strict=True):
            axes.set_title(heading(columns[key]), loc="left")
            _Diagram(axes, labels, found, names, side, tall).draw()
        return panels[0].get_figure(root=True)


def _ranked(plan: Plan, table: Table, columns: Iterable[Column]) -> Iterator[tuple[str, tuple[list[str], np.ndarray]]]:
    """By column key the labels (K,) and losses (N, K) of what can be ranked, in the order of the grid."""
    by_label = {line.label: line for line in table.lines}
    lines = [by_label[row.label] for row in plan.grid.rows]
    truth = next((line for line in lines if line.method == "ground_truth"), None)
    for column in columns:
        samples = {line.label: line.samples[column.key] for line in lines if _competes(line, column)}
        if len(samples) < FEWEST:
            continue
        true = truth.samples.get(column.key) if truth else None
        losses = losses_of(list(samples.values()), column.direction, true)
        if losses is not None and len(losses) > 1:
            yield column.key, (list(samples), losses)


def _competes(line: Line, column: Column) -> bool:
    """Anchors and rows that read the truth do not, nor does what has no values by clip."""
    return line.group in ("method", "control") and column.key in line.samples and line.samples[column.key].has_clips


def losses_of(samples: Sequence[Sample], direction: Direction, truth: Sample | None) -> np.ndarray | None:
    """(N, K) by clip, lower is better, means over seeds; only clips that have a value in every row. None where the
    distance from the ground truth is asked for and it has no values."""
    beside = direction == "closer to ground truth"
    if beside and (truth is None or not truth.has_clips):
        return None
    by_clip = [_by_clip(sample) for sample in ([*samples, truth] if beside else samples)]
    clips = sorted(set.intersection(*(set(found) for found in by_clip)))
    table = np.array([[found[clip] for found in by_clip] for clip in clips]).reshape(len(clips), len(by_clip))
    if beside:
        return np.abs(table[:, :-1] - table[:, -1:])
    return table if direction == "lower" else -table


def _by_clip(sample: Sample) -> dict[str, float]:
    if not sample.has_clips:
        return {}
    whole = (sample.weights > 0).all(0)
    means = sample.values.mean(0)
    return {clip: float(mean) for clip, mean, is_whole in zip(sample.clips, means, whole, strict=True) if is_whole}


def _caption(plan: Plan, table: Table, ranked: Mapping[str, tuple[list[str], Ranking]], test: Test) -> str:
    """What was ranked and tested, and what a diagram lacks."""
    by_key = {column.key: column for column in table.columns}
    columns = [by_key[key] for key in ranked]
    shown = {label for labels, _ in ranked.values() for label in labels}
    told = [
        f"{c.heading}: {ranked[c.key][1].clips} clips, Friedman p {_p(ranked[c.key][1].p)}"
        + ("" if ranked[c.key][1].p <= ALPHA else ", so no pair is compared")
        for c in columns
    ]
    return (
        f"{setting_of([plan], [line for line in table.lines if line.label in shown])} Mean ranks over clips, 1 is the "
        f"best; bars join rows that are not told apart at 5 % ({_TESTS[test]}). {'; '.join(told)}. "
        f"{''.join(f'{batch} ' for batch in table.smaller_batches)}"
        f"{absent([line for line in table.lines if line.group != 'anchor'], columns)}"
    )


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _height(labels: Sequence[str], found: Ranking, names: Mapping[str, Sequence[str]]) -> float:
    deepest = max(sum(_LEVEL * len(names[labels[i]]) for i in side) for side in _sides(found))
    return 0.55 + _LEVEL * max(levels(found), default=0) + deepest


def levels(found: Ranking) -> list[int]:
    """The level of every clique's bar, from 1: bars that do not meet share one."""
    ends: list[float] = []
    placed = []
    for clique in found.cliques:
        first, last = found.ranks[clique[0]], found.ranks[clique[-1]]
        level = next((i for i, end in enumerate(ends) if end < first), len(ends))
        ends[level : level + 1] = [last]
        placed.append(level + 1)
    return placed


def _sides(found: Ranking) -> tuple[list[int], list[int]]:
    """The better half, best first, and the worse half, worst first: as they stand below each other left and right."""
    order = np.argsort(found.ranks, kind="stable").tolist()
    half = (len(order) + 1) // 2
    return order[:half], order[half:][::-1]


class _Diagram:
    """One panel, in inches: x = 0 at rank 1, y downwards from the axis of ranks."""

    def __init__(self, axes: "Axes", labels, found: Ranking, names: Mapping[str, list[str]], side: float, tall: float):
        self.axes, self.labels, self.found, self.names = axes, labels, found, names
        axes.set_xlim(-side, _SCALE + side)
        axes.set_ylim(tall - 0.45, -0.45)
        axes.axis("off")

    def x(self, rank: float) -> float:
        return _SCALE * (rank - 1) / (len(self.labels) - 1)

    def draw(self) -> None:
        self._draw_scale()
        for level, clique in zip(levels(self.found), self.found.cliques, strict=True):
            ends = [self.x(self.found.ranks[i]) for i in (clique[0], clique[-1])]
            self.axes.plot([ends[0] - 0.03, ends[1] + 0.03], [level * _LEVEL] * 2, color=INK, linewidth=3,
                           solid_capstyle="butt", gid="clique")  # fmt: skip
        first = _LEVEL * (max(levels(self.found), default=0) + 1)
        for side, align in zip(_sides(self.found), ("right", "left"), strict=True):
            self._draw_names(side, first, align)

    def _draw_scale(self) -> None:
        k = len(self.labels)
        self.axes.plot([0, _SCALE], [0, 0], color=SOFT, linewidth=0.8)
        for place in range(1, k + 1):
            self.axes.plot([self.x(place)] * 2, [-0.06, 0], color=SOFT, linewidth=0.8)
            self.axes.text(self.x(place), -0.09, str(place), ha="center", va="bottom", fontsize=SMALL, color=SOFT)
        if self.found.critical_difference is not None:
            width = _SCALE * self.found.critical_difference / (k - 1)
            shown = min(width, _SCALE)
            self.axes.plot([0, shown], [-0.3, -0.3], color=SOFT, linewidth=1.2, marker="|", markersize=5, gid="cd")
            words = f"CD {self.found.critical_difference:.2f}" + (" (beyond the scale)" if shown < width else "")
            self.axes.text(shown + 0.06, -0.3, words, va="center", fontsize=SMALL, color=SOFT)

    def _draw_names(self, side: Sequence[int], y: float, align: str) -> None:
        """Elbows from the axis to the labels, whose lines stand below each other."""
        edge = -0.06 if align == "right" else _SCALE + 0.06
        for i in side:
            rank, lines = self.found.ranks[i], self.names[self.labels[i]]
            middle = y + _LEVEL * (len(lines) - 1) / 2
            self.axes.plot([self.x(rank), self.x(rank), edge], [0, middle, middle], color=COLOURS[0], linewidth=0.9)
            self.axes.plot([self.x(rank)], [0], color=COLOURS[0], marker="o", markersize=3.5, gid="rank")
            outwards = -1 if align == "right" else 1
            self.axes.text(edge + 0.05 * outwards, middle, f"{rank:.2f}", ha=align, va="center", color=SOFT)
            self.axes.text(edge + (0.05 + _NUMBER) * outwards, middle, "\n".join(lines), ha=align, va="center")
            y += _LEVEL * len(lines)
