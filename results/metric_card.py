"""Metric cards: what a metric sees of motion that was damaged on purpose, and how it depends on the sample's size.

A metric is judged by its own noise: the spread of its value on captured motion when another half of the clips is drawn.
Damage that moves the value by less than two spreads would not be noticed in a table of as many clips.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gesturebench.common.seeds import numpy_generator
from gesturebench.evaluators.base import Column, Direction, Evaluator
from gesturebench.evaluators.interventions import ANOTHER_CLIP, GROUND_TRUTH, Intervention
from gesturebench.results.examination import Evidence, Numbers, computed, merged

HALVINGS = 60
"""Random halves of the clips from which a spread is taken."""
DRAWS = 8
"""Random samples of each size for the sample-size curve."""
NOTICED = 2.0
"""Spreads by which a value has to move before it is said to be seen."""

FEWEST = 4
"""Clips below which halves say nothing: values are given, but not judged."""

Verdict = Literal["sees", "blind", "prefers", "no value", "unjudged"]
"""`sees`: worse than captured motion by two spreads or more; where closeness to the ground truth is what counts,
different by as much. `prefers`: better by as much, so that the damage would win. `blind`: neither. `no value`: the
metric is not defined on this motion. `unjudged`: there are too few clips for a spread."""


@dataclass(frozen=True)
class Reading:
    """What one column says about one intervention: its `value`, its `change` in spreads, the verdict."""

    act: Intervention
    value: float | None
    change: float | None
    verdict: Verdict


@dataclass(frozen=True)
class SizePoint:
    """A column on captured motion at one sample size: mean and standard deviation over draws of `clips` clips, which
    hold `frames` frames and, where the metric counts them, `features` on each side."""

    clips: int
    frames: int
    features: int | None
    mean: float
    spread: float


@dataclass(frozen=True)
class ColumnCard:
    """One column under every intervention, the ground truth first. `spread_of` names the intervention whose spread is
    the unit of change: the ground truth, unless the metric gives it one value whatever the clips. Too few clips have no
    spread."""

    column: Column
    spread: float | None
    spread_of: Intervention
    readings: tuple[Reading, ...]
    sizes: tuple[SizePoint, ...]

    @property
    def truth(self) -> float:
        return self.readings[0].value

    def with_verdict(self, verdict: Verdict) -> list[Intervention]:
        """The interventions with this verdict, the ground truth left out."""
        return [reading.act for reading in self.readings[1:] if reading.verdict == verdict]


@dataclass(frozen=True)
class Card:
    """All columns of one metric. `numbers` is all that it says about the ground truth, `config` its settings; `clips`
    with `frames` frames were damaged. `beside` are cards that belong on the same page."""

    label: str
    metric: str
    config: Mapping[str, Any]
    columns: tuple[ColumnCard, ...]
    numbers: Mapping[str, Any]
    clips: int
    frames: int
    beside: tuple["Card", ...] = ()

    @property
    def all_columns(self) -> tuple[tuple["Card", ColumnCard], ...]:
        """Own columns, then those of the cards beside."""
        return tuple((card, column) for card in (self, *self.beside) for column in card.columns)


def make_card(label: str, evaluator: Evaluator, evidence: Evidence, n_clips: int, seed: int = 0) -> Card:
    """The card of a metric from what it said about a pool of `n_clips` clips."""
    truth = evidence.numbers[GROUND_TRUTH]
    kinds = {GROUND_TRUTH: evidence.truth[:n_clips], ANOTHER_CLIP: evidence.swapped} if n_clips >= FEWEST else {}
    spreads = {act: half_spreads(shards, evidence.halves[:n_clips], seed) for act, shards in kinds.items()}
    samples = list(_samples(evidence, seed))
    columns = tuple(
        _column_card(column, evidence.numbers, spreads, samples)
        for column in evaluator.columns
        if value_of(truth, column) is not None
    )
    config = evaluator.config.model_dump(mode="json")
    return Card(label, evaluator.name, config, columns, truth, n_clips, sum(evidence.frames[:n_clips]))


def value_of(numbers: Numbers, column: Column) -> float | None:
    value = None if numbers is None else numbers.get(column.key)
    return None if value is None or not np.isfinite(value) else float(value)


def half_spreads(shards: Sequence[Evaluator], halves: Sequence[int], seed: int) -> dict[str, float]:
    """By column key the standard deviation of the metric over random halves of the clips.

    For a mean over n clips it estimates the standard error of that mean: half of the clips, drawn without replacement,
    have the variance sigma^2 / (n/2) (1 - 1/2) = sigma^2 / n. Metrics that are no mean have halves as well, where a
    bootstrap would show them clips twice.
    """
    rng = numpy_generator("card halves", seed)
    numbers = [computed(merged(shards, balanced(halves, max(len(shards) // 2, 1), rng))) for _ in range(HALVINGS)]
    values = {c.key: [v for n in numbers if (v := value_of(n, c)) is not None] for c in shards[0].columns}
    return {key: float(np.std(found)) if len(found) > 1 else 0.0 for key, found in values.items()}


def balanced(halves: Sequence[int], k: int, rng: np.random.Generator) -> list[int]:
    """k random indices, as evenly from both halves of the corpus as they last: some metrics compare the halves."""
    ranks, taken, first = {}, Counter(), int(rng.integers(2))
    for index in rng.permutation(len(halves)).tolist():
        half = halves[index]
        ranks[index] = (taken[half], half != first)
        taken[half] += 1
    return sorted(ranks, key=ranks.__getitem__)[:k]


@dataclass(frozen=True)
class _Sample:
    """Numbers of one random draw of clips."""

    clips: int
    frames: int
    numbers: Numbers


def _samples(evidence: Evidence, seed: int) -> Iterator[_Sample]:
    """Draws of 1, 2, 4 ... clips of captured motion, and all of them once."""
    rng, n = numpy_generator("card sizes", seed), len(evidence.truth)
    for k in (*(2**i for i in range(n.bit_length()) if 2**i < n), n):
        for _ in range(DRAWS if k < n else 1):
            chosen = balanced(evidence.halves, k, rng)
            yield _Sample(k, sum(evidence.frames[i] for i in chosen), computed(merged(evidence.truth, chosen)))


def _size_points(samples: Sequence[_Sample], column: Column) -> tuple[SizePoint, ...]:
    points = []
    for k in sorted({sample.clips for sample in samples}):
        drawn = [sample for sample in samples if sample.clips == k and value_of(sample.numbers, column) is not None]
        if drawn:
            values = [value_of(sample.numbers, column) for sample in drawn]
            counts = [np.mean(sample.numbers["n_predicted"]) for sample in drawn if "n_predicted" in sample.numbers]
            points.append(
                SizePoint(
                    clips=k,
                    frames=round(np.mean([sample.frames for sample in drawn])),
                    features=round(np.mean(counts)) if counts else None,
                    mean=float(np.mean(values)),
                    spread=float(np.std(values)),
                )
            )
    return tuple(points)


def _column_card(
    column: Column,
    numbers: Mapping[Intervention, Numbers],
    spreads: Mapping[Intervention, Mapping[str, float]],
    samples: Sequence[_Sample],
) -> ColumnCard:
    values = {act: value_of(found, column) for act, found in numbers.items()}
    rounding = 1e-9 * max(abs(value) for value in values.values() if value is not None)
    sizes = {act: 0.0 if of[column.key] < rounding else of[column.key] for act, of in spreads.items()}
    spread_of = GROUND_TRUTH if sizes.get(GROUND_TRUTH) or not sizes.get(ANOTHER_CLIP) else ANOTHER_CLIP
    spread = sizes.get(spread_of)
    truth = values[GROUND_TRUTH]
    readings = [_reading(act, value, truth, spread, column.direction) for act, value in values.items()]
    return ColumnCard(column, spread, spread_of, tuple(readings), _size_points(samples, column))


def _reading(
    act: Intervention, value: float | None, truth: float, spread: float | None, direction: Direction
) -> Reading:
    if value is None or spread is None:
        return Reading(act, value, None, "no value" if value is None else "unjudged")
    change = in_spreads(value - truth, spread)
    return Reading(act, value, change, verdict_of(change, direction))


def in_spreads(difference: float, spread: float) -> float:
    """A difference in units of `spread`; infinite if there is no spread but a difference."""
    if spread > 0:
        return difference / spread
    return float(np.copysign(np.inf, difference)) if difference else 0.0


def verdict_of(change: float, direction: Direction) -> Verdict:
    """What a change against the ground truth, in spreads, means for a column that reads in `direction`.

    >>> verdict_of(3.0, "lower"), verdict_of(-3.0, "lower"), verdict_of(1.0, "lower")
    ('sees', 'prefers', 'blind')
    """
    if abs(change) < NOTICED:
        return "blind"
    better = {"lower": change < 0, "higher": change > 0, "closer to ground truth": False}[direction]
    return "prefers" if better else "sees"
