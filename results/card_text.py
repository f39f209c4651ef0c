"""Metric cards as words: a Markdown page and JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gesturebench.evaluators.base import Column
from gesturebench.evaluators.interventions import Intervention
from gesturebench.results.metric_card import NOTICED, Card, ColumnCard, Reading, Verdict

WORDS: dict[Verdict, str] = {
    "sees": "sees it",
    "blind": "blind",
    "prefers": "PREFERS IT",
    "no value": "no value",
    "unjudged": "",
}


@dataclass(frozen=True)
class Setting:
    """On what cards were measured: the data in words, whether it is the stand-in, protocol, and what else a reader has
    to know to repeat it."""

    data: str
    is_standin: bool
    protocol: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return "stand-in corpus, not BEAT2" if self.is_standin else self.data


def about(column: Column) -> dict[str, str]:
    """What a column's own declaration says, by heading; nothing for what it leaves open."""
    scales = ", ".join(f"{family} x {scale:g}" for family, scale in column.scales.items())
    stated = {
        "better": column.direction,
        "unit": column.unit,
        "formula": column.formula,
        "printed as": scales,
        "source": column.source,
    }
    return {name: text for name, text in stated.items() if text}


def markdown(card: Card, setting: Setting) -> str:
    lines = [f"# Metric card: {card.label}", "", f"Measured on **{setting.title}**: {setting.data}.", ""]
    lines += [f"* {name}: {value}" for name, value in {"protocol": setting.protocol, **setting.facts}.items()]
    lines += ["", f"![]({card.label}.png)", ""]
    for owner, column in card.all_columns:
        lines += _column_page(owner, column, beside=owner is not card)
    return "\n".join(lines).rstrip() + "\n"


def _column_page(card: Card, column: ColumnCard, beside: bool) -> Iterator[str]:
    number = partial(number_words, column)
    yield f"## {title_of(card, column)}" + (" (beside it)" if beside else "")
    yield ""
    yield from (f"* {name}: {text}" for name, text in about(column.column).items())
    yield f"* ground truth {number(column.truth)}; {spread_words(column)}"
    yield ""
    for line in summary(column):
        head, _, names = line.partition(": ")
        yield f"* **{head[0].upper()}{head[1:]}**: {names}"
    yield ""
    yield "| intervention | value | change in spreads | verdict |"
    yield "|---|---:|---:|---|"
    for reading in column.readings:
        yield f"| {reading.act.name} | {number(reading.value)} | {change_words(reading)} | {verdict_words(reading)} |"
    yield ""
    yield f"Sample size, captured motion alone ({card.label}):"
    yield ""
    yield "| clips | frames | features | mean | sd over draws |"
    yield "|---:|---:|---:|---:|---:|"
    for size in column.sizes:
        yield f"| {size.clips} | {size.frames} | {size.features or ''} | {number(size.mean)} | {number(size.spread)} |"
    yield ""


def title_of(card: Card, column: ColumnCard) -> str:
    """The column's heading, with the card's label where that says more than the metric's name."""
    return column.column.heading + (f", {card.label}" if card.label != card.metric else "")


HEADS: dict[Verdict, str] = {
    "sees": "sees",
    "blind": "blind to",
    "prefers": "PREFERS to the ground truth",
    "no value": "no value for",
    "unjudged": "too few clips to judge",
}


def summary(column: ColumnCard) -> Iterator[str]:
    """One line per verdict that occurs, with the interventions that got it: `sees: frozen; noise 0.1, 0.3 rad`."""
    for verdict, head in HEADS.items():
        if acts := column.with_verdict(verdict):
            yield f"{head}: {'; '.join(_by_family(acts))}"


def _by_family(acts: Sequence[Intervention]) -> Iterator[str]:
    for family in dict.fromkeys(act.family for act in acts):
        mine = [act for act in acts if act.family == family]
        strengths = ", ".join(act.strength_words for act in mine)
        yield f"{family} {strengths} {mine[0].unit}" if mine[0].unit else family


def spread_words(column: ColumnCard) -> str:
    if column.spread is None:
        return "too few clips for a spread"
    spread = f"1 spread = {number_words(column, column.spread)}"
    if column.spread_of is column.readings[0].act:
        return f"{spread}, its standard deviation over random halves of the clips"
    return (
        f"{spread}, that of {column.spread_of.name} over random halves of the clips: the ground truth itself gets one "
        "value whatever the clips"
    )


def change_words(reading: Reading) -> str:
    return "" if reading.change is None else f"{reading.change:+.1f}"


def verdict_words(reading: Reading) -> str:
    return "" if reading.act.family == "ground truth" else WORDS[reading.verdict]


def number_words(column: ColumnCard, value: float | None) -> str:
    """With the column's decimals, at least 3; very small units as powers of ten."""
    if value is None:
        return ""
    decimals = max(column.column.decimals, 3)
    return f"{value:.{decimals}f}" if decimals <= 5 else f"{value:.2e}"


def as_json(card: Card, setting: Setting) -> dict[str, Any]:
    """All of a card; infinite changes, where captured motion never varies, are null."""
    return {
        "label": card.label,
        "metric": card.metric,
        "config": dict(card.config),
        "data": setting.data,
        "is_standin": setting.is_standin,
        "protocol": setting.protocol,
        "facts": dict(setting.facts),
        "clips": card.clips,
        "frames": card.frames,
        "noticed_from_spreads": NOTICED,
        "ground_truth": dict(card.numbers),
        "columns": [_column_json(column) for column in card.columns],
        "beside": [as_json(other, setting) for other in card.beside],
    }


def _column_json(column: ColumnCard) -> dict[str, Any]:
    return {
        "key": column.column.key,
        "heading": column.column.heading,
        **about(column.column),
        "spread": column.spread,
        "spread_of": column.spread_of.name,
        "readings": [
            {
                "name": reading.act.name,
                "family": reading.act.family,
                "strength": reading.act.strength,
                "unit": reading.act.unit,
                "value": reading.value,
                "change": reading.change if reading.change is not None and math.isfinite(reading.change) else None,
                "verdict": reading.verdict,
            }
            for reading in column.readings
        ],
        "sizes": [vars(size) for size in column.sizes],
    }
