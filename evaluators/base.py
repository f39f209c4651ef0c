"""The evaluator contract: pure functions underneath, a thin class `update -> merge -> compute` on top."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.embedding.config import EmbeddingPart
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext

Direction = Literal["lower", "higher", "closer to ground truth"]


@dataclass(frozen=True)
class Column:
    """A number of an evaluator as a table shows it, and what a reader must know of it.

    `key` in `compute()`, `heading`, `direction`, `decimals`; `oracle`: it reads the stand-in's truth and exists on no
    other corpus; `unit` and `formula` of the raw value; `scales` by which families of papers print it (printed = raw x
    scale), 1 where a family is not named; `source` of the definition.
    """

    key: str
    heading: str
    direction: Direction
    decimals: int = 3
    oracle: bool = False
    unit: str = ""
    formula: str = ""
    scales: Mapping[str, float] = field(default_factory=dict)
    source: str = ""


class Evaluator(ABC):
    """A metric over pairs of a predicted motion and the clip it was generated for.

    Two evaluators of equal settings may be merged: sharded and whole evaluation give the same numbers. `fitted` ones
    have a trained part (an encoder, a classifier), a step of the plan identified by hash. One that `takes_samples`
    compares several motions for the same speech: it is given all of them, `update` also takes the id of the scoring
    `unit` that they are for, and its settings hold how many `samples` there must be and what becomes of `missing` ones.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Config]]
    columns: ClassVar[tuple[Column, ...]]
    fitted: ClassVar[bool] = False
    requires_truth: ClassVar[bool] = False
    takes_samples: ClassVar[bool] = False
    by_unit: ClassVar[bool] = False
    """Whether `update` also takes the id of the scoring `unit`, as that of metrics that take samples does."""
    takes_given: ClassVar[bool] = False
    """Whether `update` also takes the frames that were `given`, (T,) bool, where a protocol gives some."""
    version: ClassVar[int] = 1

    @classmethod
    def preset(cls, size: str) -> Config:
        """The configuration of a size: `tiny`, `demo` or `paper`."""
        return cls.Config()

    @classmethod
    def fit_sections(cls, config: Config) -> dict[str, Any]:
        """The part of the configuration that `fit` reads; nothing else of it enters the identity of the trained
        part."""
        return config.model_dump()

    @classmethod
    def trained_part(cls, config: Config) -> EmbeddingPart | None:
        """The trained part, where it is not this metric's own but one that others may ask for too."""
        return None

    @classmethod
    def absences(cls, config: Config) -> tuple[str, ...]:
        """What the trained part reads and what is not on this machine, one line each with the way to get it."""
        return ()

    @classmethod
    def score_sections(cls, config: Config) -> dict[str, Any]:
        """The part of the configuration that enters the identity of scores; what only `fit` reads may be left out."""
        return config.model_dump(mode="json")

    @classmethod
    def fit(cls, config: Config, context: FitContext) -> None:
        """Train the evaluator's own part on the training split and write it to `context.out`."""
        raise InputError(f"metric {cls.name!r} has no trained part")

    def __init__(self, config: Config, store: ClipStore, artifact: Path | None = None):
        """`artifact` is the folder that `fit` filled, for fitted evaluators."""
        self.config, self.store, self.artifact = config, store, artifact
        self.reset()

    @abstractmethod
    def reset(self) -> None:
        """Forget everything that was updated."""

    @abstractmethod
    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        """Take in one pair; returns the clip's own value per column key where a single clip has one (FGD has none).

        `compute` must equal the mean of these values weighted by `<key>_n`, by the clip's frames where that is not
        given: intervals over clips are drawn from them.
        """

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take over what another shard has seen."""

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """The numbers by column key, and `n`, the count of what was averaged."""
