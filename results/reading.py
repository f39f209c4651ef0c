"""Reading the finished scores of plans: every record once, all scores by clip in one go."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.state import RECORD, RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.benchmarks.unit_scores import UnitScores
from gesturebench.common.errors import InputError, shown
from gesturebench.results.numbers import Sample


class Score:
    """One finished evaluation: its record, and what every scoring unit contributed."""

    def __init__(self, step: Step, scores: "Scores"):
        self.record: dict[str, Any] = scores.records[step.key]
        self._key, self._scores = step.key, scores
        self._check(step.folder(scores.store.runs))

    def _check(self, folder: Path) -> None:
        """That a table finds in the record what it needs."""
        numbers = {"key": self.record.get("key", self._key), "clips": self.record.get("clips"), **self.numbers}
        wanted = {"key": (str,), "clips": (int,), "n": (int,)}
        fault = next((name for name, kinds in wanted.items() if not isinstance(numbers.get(name), kinds)), None)
        if fault is not None or numbers["key"] != self._key:
            fault = fault or "key"
            raise InputError(
                f"{folder / RECORD}: not a whole run record, {fault} is {shown(numbers.get(fault))}",
                expected=self._key if fault == "key" else "a whole number",
                remedy=f"delete {folder} and run again",
            )

    @property
    def numbers(self) -> dict[str, Any]:
        return self.record["metrics"]

    def number(self, key: str) -> float | None:
        """None where the metric found nothing of its kind, or something that is no finite number."""
        value = self.numbers.get(key)
        return value if isinstance(value, int | float) and math.isfinite(value) else None

    @property
    def by_unit(self) -> UnitScores:
        return self._scores.by_unit[self._key]


class Scores:
    """The finished evaluations of plans, those that `states` says are done."""

    def __init__(self, plans: Sequence[Plan], store: RunStore, states: Mapping[str, StepState]):
        self.plans, self.store, self.states = plans, store, states
        self._read: dict[str, Score] = {}

    @cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """By key of the evaluation, of all at once."""
        return self.store.records(self._finished())

    @cached_property
    def by_unit(self) -> dict[str, UnitScores]:
        """By key of the evaluation, of all at once."""
        return self.store.scores(self._finished())

    def _finished(self) -> list[Step]:
        steps = (step for plan in self.plans for cell in plan.cells for step in cell.evaluate.values())
        return [step for step in steps if self.is_done(step)]

    def is_done(self, step: Step) -> bool:
        return step.key in self.states and self.states[step.key].status == "done"

    def of(self, step: Step) -> Score:
        if step.key not in self._read:
            self._read[step.key] = Score(step, self)
        return self._read[step.key]

    def done(self, steps: Iterable[Step]) -> list[Score]:
        return [self.of(step) for step in steps if self.is_done(step)]


def scores_of(cells: Sequence[Cell], metric: str, scores: Scores) -> list[Score]:
    """A metric's finished score for every cell that has one."""
    return scores.done(cell.evaluate[metric] for cell in cells)


def sample_of(found: Sequence[Score], key: str) -> Sample:
    """Stack seeds. The windows of a clip are no independent draws: they enter as one, their weighted mean."""
    totals = np.array([score.number(key) for score in found], dtype=np.float64)
    n = int(found[0].numbers["n"])
    seeds = [score.by_unit.by_clip(key) for score in found]
    clips = seeds[0][0]
    if any(names != clips for names, _, _ in seeds):
        clips = tuple(sorted({name for names, _, _ in seeds for name in names}))
        seeds = [(clips, *_spread(clips, *seed)) for seed in seeds]
    drawn = found[0].number(f"{key}_interval") if len(found) == 1 else None
    if not clips:
        return Sample(totals, None, None, n, drawn=drawn)
    return Sample(totals, np.stack([v for _, v, _ in seeds]), np.stack([w for _, _, w in seeds]), n, clips, drawn)


def _spread(
    clips: Sequence[str], names: Sequence[str], value_C: np.ndarray, weight_C: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values and weights in the places of `clips`, without weight where this seed has none."""
    value_of, weight_of = dict(zip(names, value_C)), dict(zip(names, weight_C))
    return np.array([value_of.get(c, 0.0) for c in clips]), np.array([weight_of.get(c, 0.0) for c in clips])
