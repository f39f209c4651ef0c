"""Columns whose numbers say nothing: metrics that compare speech and motion in an embedding that did not pass its
validity gate."""

from collections.abc import Sequence
from dataclasses import replace

from gesturebench.benchmarks.plan import Plan
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.registry import embedding_metric_names, get_evaluator
from gesturebench.results.marks import Standing
from gesturebench.results.reading import Scores, scores_of

NOT_INFORMATIVE = "not informative"


def uninformative(plans: Sequence[Plan], scores: Scores) -> frozenset[str]:
    """Keys of the columns of which some score says so itself."""
    metrics = [(plan, metric) for plan in plans for metric in plan.metrics if metric in embedding_metric_names()]
    return frozenset(
        column.key
        for plan, metric in metrics
        if any(score.numbers.get("informative") is False for score in scores_of(plan.cells, metric, scores))
        for column in get_evaluator(metric).columns
    )


def told(columns: Sequence[Column], keys: frozenset[str]) -> tuple[Column, ...]:
    """The columns with the headings of those marked."""
    return tuple(replace(c, heading=f"{c.heading} ({NOT_INFORMATIVE})") if c.key in keys else c for c in columns)


def unmarked(standing: Standing) -> Standing:
    """Without best and second: differences in such a column are no merit."""
    return Standing(NOT_INFORMATIVE, against_baseline=standing.against_baseline)
