"""Scores by unit, of many evaluations at once: what intervals are drawn from.

Legend: U scoring units of an evaluation (clips, or windows of clips), C clips.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from gesturebench.common.errors import InputError


@dataclass(frozen=True, eq=False)
class UnitScores:
    """What each unit contributed: by column (U,) values, NaN where a unit has none, with `<column>_n` where the metric
    weighs by something else than `frames`."""

    units: tuple[str, ...]
    values: Mapping[str, np.ndarray]

    def by_clip(self, column: str) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Clip ids that have a value, their values (C,) and weights (C,). The windows of a clip are no independent
        draws: their weighted mean is one."""
        if column not in self.values:
            return (), np.zeros(0), np.zeros(0)
        clips, clip_U = _clips_of(self.units)
        value_U = self.values[column]
        has_U = ~np.isnan(value_U)
        if len(clips) == len(value_U) and has_U.all():
            return clips, value_U, self.weights(column)
        weight_U = np.where(has_U, self.weights(column), 0.0)
        weight_C = np.bincount(clip_U, weight_U, len(clips))
        total_C = np.bincount(clip_U, weight_U * np.where(has_U, value_U, 0.0), len(clips))
        value_C = np.divide(total_C, weight_C, out=np.zeros(len(clips)), where=weight_C > 0)
        if has_U.all():
            return clips, value_C, weight_C
        has_C = np.bincount(clip_U, has_U, len(clips)) > 0
        return tuple(clip for clip, has in zip(clips, has_C) if has), value_C[has_C], weight_C[has_C]

    def weights(self, column: str) -> np.ndarray:
        """(U,) what a unit's value counts."""
        frames_U = self.values["frames"]
        own_U = self.values.get(f"{column}_n")
        return frames_U if own_U is None else np.where(np.isnan(own_U), frames_U, own_U)


@lru_cache(maxsize=64)
def _clips_of(units: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    """Clip ids in order of appearance, and for every unit the number of its clip; units of a grid are the same ones."""
    numbers: dict[str, int] = {}
    clip_U = [numbers.setdefault(unit.split("/")[0], len(numbers)) for unit in units]
    return tuple(numbers), np.array(clip_U, dtype=np.intp)


def parse(text: bytes, path: Path) -> UnitScores:
    """The content of a `per_clip.json`: an object of objects of numbers."""
    try:
        found = json.loads(text)
        if not all("frames" in values for values in found.values()):
            raise ValueError("a unit without frames")
        columns = dict.fromkeys(name for values in found.values() for name in values)
        values = {name: np.array([unit.get(name, np.nan) for unit in found.values()], float) for name in columns}
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{path}: no scores by unit ({error})",
            expected="an object of objects of numbers",
            remedy=f"delete {path.parent} and run again",
        ) from error
    return UnitScores(tuple(found), values)
