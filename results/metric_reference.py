"""The factual part of docs/metrics.md, from what the columns of every metric declare."""

from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.embedding import EmbeddingMetric
from gesturebench.evaluators.registry import (
    embedding_metric_names,
    evaluator_names,
    get_embedding_metric,
    get_evaluator,
)

BEGIN, END = "<!-- begin: gesturebench metrics reference -->", "<!-- end -->"


def reference() -> str:
    """Every metric and every column as Markdown: first those of motion, then those of embeddings."""
    of_motion = [_metric(cls, notes_of(cls)) for cls in map(get_evaluator, evaluator_names())]
    of_embeddings = [_metric(cls, ["of embeddings"]) for cls in map(get_embedding_metric, embedding_metric_names())]
    return "\n\n".join([*of_motion, *of_embeddings])


def notes_of(evaluator: type[Evaluator]) -> list[str]:
    notes = {"trained part": evaluator.fitted, "reads the stand-in's truth": evaluator.requires_truth}
    return [note for note, holds in notes.items() if holds]


def with_reference(page: str) -> str:
    """The page with what stands between the two marks renewed."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError("the page has no place for the reference", expected=f"the marks {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def _metric(metric: type[Evaluator] | type[EmbeddingMetric], notes: list[str]) -> str:
    head = f"### `{metric.name}`" + (f" ({', '.join(notes)})" if notes else "")
    first = (metric.__doc__ or "").strip().split("\n\n")[0]
    return "\n".join([head, "", " ".join(first.split()), "", *map(_column, metric.columns)])


def _column(column: Column) -> str:
    scales = ", ".join(f"{family} x {scale:g}" for family, scale in column.scales.items()) or "raw"
    lines = [
        f"* **{column.heading}** (`{column.key}`), {column.direction}; unit: {column.unit}; printed: {scales}",
        f"  * `{column.formula}`",
        f"  * source: {column.source}",
    ]
    return "\n".join(lines)
