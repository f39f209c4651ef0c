"""Which rows of a column are marked: the best and the second, where the data can tell."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gesturebench.evaluators.base import Direction
from gesturebench.results.significance import Contender, Verdict, compare

Mark = Literal["best", "second"]
"""A mark says that something in the column is really worse. Rows that a test cannot tell apart share it, rows that
could not be tested have none."""

Silence = Literal["", "one row", "no truth", "too little", "no difference", "not informative"]
"""Why no row is marked: nothing to compare, no ground truth to be close to, too few clips or seeds for any test, tests
that found nothing, or a metric whose encoder did not pass its validity gate."""


@dataclass(frozen=True)
class Standing:
    """A column's marks, and verdicts against the best row and against the baseline, all by row."""

    silence: Silence = ""
    marks: Mapping[Hashable, Mark] = field(default_factory=dict)
    against_best: Mapping[Hashable, Verdict] = field(default_factory=dict)
    against_baseline: Mapping[Hashable, Verdict] = field(default_factory=dict)


def standing(
    rows: Sequence[Contender], direction: Direction, truth: Contender | None = None, baseline: Contender | None = None
) -> Standing:
    """Best are the row with the best mean and all that a test cannot tell from it; second the same among those that are
    really worse. Neither is marked where nothing is really worse."""
    if direction == "closer to ground truth" and truth is None:
        return Standing("no truth")
    others = [row for row in rows if baseline is None or row.row != baseline.row]
    beside = dict(zip(_names(others), compare(baseline, others, direction, truth))) if baseline else {}
    if len(rows) < 2:
        return Standing("one row", against_baseline=beside)
    verdicts, best, rest = _leaders(rows, direction, truth)
    if not rest:
        tested = any(verdict.p is not None for verdict in verdicts.values())
        return Standing("no difference" if tested else "too little", {}, verdicts, beside)
    marks: dict[Hashable, Mark] = dict.fromkeys(best, "best")
    _, second, behind = _leaders(rest, direction, truth)
    if behind:
        marks |= dict.fromkeys(second, "second")
    return Standing("", marks, verdicts, beside)


def _leaders(
    rows: Sequence[Contender], direction: Direction, truth: Contender | None
) -> tuple[dict[Hashable, Verdict], list[Hashable], list[Contender]]:
    """Verdicts of all rows against the one with the best mean; the names of that row and of those that a test found no
    difference to; the rows that are really worse."""
    best = min(rows, key=lambda row: _badness(row, direction, truth))
    others = [row for row in rows if row is not best]
    verdicts = dict(zip(_names(others), compare(best, others, direction, truth)))
    equal = [name for name, verdict in verdicts.items() if verdict.p is not None and not verdict.real]
    return verdicts, [best.row, *equal], [row for row in others if verdicts[row.row].real]


def _badness(row: Contender, direction: Direction, truth: Contender | None) -> float:
    mean = float(row.sample.totals.mean())
    if direction == "closer to ground truth":
        return abs(mean - float(truth.sample.totals.mean()))
    return mean if direction == "lower" else -mean


def _names(rows: Sequence[Contender]) -> list[Hashable]:
    return [row.row for row in rows]
