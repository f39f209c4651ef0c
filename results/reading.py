"""Reading the finished scores of a plan: every record once, every score by clip once."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.benchmarks.plan import Cell
from gesturebench.benchmarks.state import PER_CLIP, RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import read_json
from gesturebench.results.numbers import Sample

PerUnit = Mapping[str, Mapping[str, float]]
"""By unit id what the unit contributed to each column, and its `frames`."""


class Score:
    """One finished evaluation: its record, and what every clip contributed, read when it is asked for."""

    def __init__(self, step: Step, store: RunStore):
        self.record = store.record(step)
        self._per_clip = os.path.join(store.runs, step.kind, step.key, PER_CLIP)

    @property
    def numbers(self) -> dict[str, Any]:
        return self.record["metrics"]

    @cached_property
    def per_unit(self) -> PerUnit:
        return read_json(Path(self._per_clip))


class Scores:
    """The finished evaluations of a store among those that `states` says are done; each is read once."""

    def __init__(self, store: RunStore, states: Mapping[str, StepState]):
        self.store, self.states = store, states
        self._read: dict[str, Score] = {}

    def is_done(self, step: Step) -> bool:
        return step.key in self.states and self.states[step.key].status == "done"

    def of(self, step: Step) -> Score:
        if step.key not in self._read:
            self._read[step.key] = Score(step, self.store)
        return self._read[step.key]

    def done(self, steps: Iterable[Step]) -> list[Score]:
        return [self.of(step) for step in steps if self.is_done(step)]


def scores_of(cells: Sequence[Cell], metric: str, scores: Scores) -> list[Score]:
    """A metric's finished score for every cell that has one."""
    return scores.done(cell.evaluate[metric] for cell in cells)


def sample_of(found: Sequence[Score], key: str) -> Sample:
    """Stack seeds. The windows of a clip are no independent draws: they enter as one, their weighted mean."""
    totals = np.array([score.numbers[key] for score in found], dtype=np.float64)
    by_clip = [_by_clip(score.per_unit, key) for score in found]
    clips = sorted(set().union(*by_clip))
    n = int(found[0].numbers["n"])
    if not clips:
        return Sample(totals, None, None, n)
    table = np.array([[seed.get(clip, (0.0, 0.0)) for clip in clips] for seed in by_clip])
    return Sample(totals, table[..., 0], table[..., 1], n, tuple(clips))


def _by_clip(per_unit: PerUnit, key: str) -> dict[str, tuple[float, float]]:
    """Value and weight of every clip; a unit's weight is its `<key>_n` if the evaluator gives one, else its frames."""
    totals: dict[str, float] = {}
    weights: dict[str, float] = {}
    for unit, values in per_unit.items():
        if key in values:
            clip, weight = unit.split("/")[0], values.get(f"{key}_n", values["frames"])
            totals[clip] = totals.get(clip, 0.0) + weight * values[key]
            weights[clip] = weights.get(clip, 0.0) + weight
    return {clip: (totals[clip] / weight if weight else 0.0, weight) for clip, weight in weights.items()}
