"""Metrics on embeddings: arrays of a joint space of speech and motion in, numbers out. Whose encoder made them is not
their business, but belongs beside the numbers.

Legend: N rows, D dimensions of the space, R replications.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.embedding.config import EmbeddingConfig
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column

Random = np.random.Generator | np.random.RandomState
"""Where draws come from; `RandomState(seed)` repeats those of published code after `np.random.seed(seed)`."""

REPLICATIONS = 20


class EmbeddingSettings(Config):
    """What all metrics on embeddings share: `replications` of their draws, and the `encoder` that is trained for
    them."""

    replications: int = Field(REPLICATIONS, ge=1)
    encoder: EmbeddingConfig = EmbeddingConfig()


@dataclass(frozen=True, eq=False)
class Embedded:
    """Embeddings of N units. Row i belongs to unit `ids[i]`, its `sample[i]`-th generated motion (default 0).

    `speech` (N, D), `motion` (N, D) generated, `captured` (N, D) of the unit's captured motion, `rareness` (N,) of its
    transcript; the last two may be left out where no metric asks for them.
    """

    ids: Sequence[str]
    speech: np.ndarray
    motion: np.ndarray
    captured: np.ndarray | None = None
    rareness: np.ndarray | None = None
    sample: np.ndarray | None = None

    def checked(self) -> "Embedded":
        """These rows in float64, if shapes agree and every number is finite; else an `InputError` naming the unit."""
        n, dim = len(self.ids), np.shape(self.motion)[-1:]
        if not n:
            raise InputError("embeddings of no units", expected="at least one row", remedy="embed the motions first")
        names = ("speech", "motion", "captured", "rareness", "sample")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        arrays = {name: _numbers(name, array) for name, array in ({"sample": np.zeros(n)} | given).items()}
        for name, array in arrays.items():
            _require_rows(name, array, (n,) if name in ("rareness", "sample") else (n, *dim), self.ids)
        sample = arrays.pop("sample")
        if (sample % 1).any():
            raise InputError(
                f"sample {sample[sample % 1 > 0][0]}", expected="whole numbers", remedy="count the samples"
            )
        return Embedded(tuple(self.ids), sample=sample.astype(np.int64), **arrays)


def _numbers(name: str, array: np.ndarray) -> np.ndarray:
    """A copy in float64."""
    if np.asarray(array).dtype.kind not in "fiub":
        raise InputError(
            f"{name} has dtype {np.asarray(array).dtype}",
            expected="real numbers",
            remedy="give the encoder's output as float arrays",
        )
    return np.array(array, dtype=np.float64)


def _require_rows(name: str, array: np.ndarray, shape: tuple[int, ...], ids: Sequence[str]) -> None:
    if array.shape != shape or not array.size:
        raise InputError(
            f"{name} of {len(ids)} units has shape {array.shape}",
            expected=str(shape) if array.size else "at least one column",
            remedy="give one row per id, all of one width",
        )
    finite = np.isfinite(array).reshape(len(ids), -1).all(1)
    if not finite.all():
        raise InputError(
            f"{name} of {ids[int(np.argmin(finite))]} is not finite",
            expected="numbers",
            remedy="look for damage in the motion or the encoder's weights",
        )


class EmbeddingMetric(ABC):
    """A number over all rows: `update -> merge -> compute`, as evaluators of motion have it.

    Rows are kept and ordered by unit and sample before anything is drawn, so batches, shards and their order do not
    change a number; what is drawn depends on the metric's name and the seed alone.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Config]]
    columns: ClassVar[tuple[Column, ...]]
    requires: ClassVar[tuple[str, ...]] = ()
    compares: ClassVar[bool] = False
    """Whether it holds speech against motion: it then says nothing in a space where captured motion is not found from
    its speech."""
    takes_samples: ClassVar[bool] = False
    draws: ClassVar[bool] = True
    """Whether anything in it is drawn, so that replications differ."""
    version: ClassVar[int] = 1

    @classmethod
    def preset(cls, size: str) -> Config:
        """The settings of a size: `tiny`, `demo` or `paper`."""
        return cls.Config()

    def __init__(self, config: Config):
        self.config = config
        self.reset()

    def reset(self) -> None:
        self._batches: list[Embedded] = []
        self._keys: set[tuple[str, int]] = set()

    def update(self, rows: Embedded) -> None:
        rows = rows.checked()
        for name in self.requires:
            if getattr(rows, name) is None:
                raise InputError(
                    f"{self.name}: no {name}",
                    expected=f"{name} of every unit",
                    remedy=f"pass Embedded(..., {name}=...), or leave the metric out",
                )
        self._add(rows)

    @property
    def n(self) -> int:
        """Rows so far."""
        return len(self._keys)

    def by_clip(self, rows: Embedded) -> dict[str, float]:
        """What the rows of one clip contribute, where the number is a mean over rows: `<key>`, and `<key>_n` the rows
        behind it."""
        return {}

    def merge(self, other: Self) -> None:
        for rows in other._batches:
            self._add(rows)

    def compute(self, seed: int = 0) -> dict[str, Any]:
        """The numbers by column key, and `n`, the rows behind them."""
        from gesturebench.common.seeds import numpy_generator

        if not self._keys:
            raise InputError(
                f"{self.name} of no embeddings", expected="at least one row", remedy="embed the motions first"
            )
        rows = _ordered(self._batches, self.requires)
        return {**self._values(rows, numpy_generator(self.name, seed)), "n": len(rows.ids)}

    @abstractmethod
    def _values(self, rows: Embedded, random: Random) -> dict[str, float]:
        """The numbers by column key over rows in their order."""

    def _add(self, rows: Embedded) -> None:
        keys: set[tuple[str, int]] = set()
        for key in zip(rows.ids, rows.sample.tolist(), strict=True):
            if key in keys or key in self._keys:
                raise InputError(
                    f"{self.name}: unit {key[0]} has sample {key[1]} twice",
                    expected="every motion once",
                    remedy="number the samples of a unit",
                )
            keys.add(key)
        self._keys |= keys
        self._batches.append(rows)


def _ordered(batches: Sequence[Embedded], requires: Sequence[str]) -> Embedded:
    """All rows as one batch, by unit and sample; of the optional arrays only those that the metric asked for."""
    ids = [unit for rows in batches for unit in rows.ids]
    names = [f.name for f in fields(Embedded) if f.name in ("speech", "motion", "sample", *requires)]
    arrays = {name: np.concatenate([getattr(rows, name) for rows in batches]) for name in names}
    order = sorted(range(len(ids)), key=lambda i: (ids[i], arrays["sample"][i]))
    return Embedded(tuple(ids[i] for i in order), **{name: array[order] for name, array in arrays.items()})


@dataclass(frozen=True)
class Estimate:
    """Mean over replications and half of its 95 % interval."""

    mean: float
    half_width: float


def mean_and_interval(values_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the first axis, and 1.96 std / sqrt(R) with the population's standard deviation (Guo et al. 2022)."""
    values = np.asarray(values_R, dtype=np.float64)
    return values.mean(0), 1.96 * values.std(0) / np.sqrt(len(values))


def replicated(metric: EmbeddingMetric, replications: int = REPLICATIONS) -> dict[str, Estimate]:
    """Every column over seeds 0 ... R - 1. The interval is that of the draws; it knows nothing of clips or training."""
    keys = [column.key for column in metric.columns]
    found = [metric.compute(seed) for seed in range(replications)]
    mean, half = mean_and_interval(np.array([[numbers[key] for key in keys] for numbers in found]))
    return {key: Estimate(float(m), float(h)) for key, m, h in zip(keys, mean, half)}
