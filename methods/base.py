"""The method contract: one class, one typed config, a small graph of trained components, and `generate`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.progress import Progress, silent

Query = Literal["none", "text", "annotation", "oracle"]
"""What a run was told about the test clip beyond its audio and words: nothing, what a program reads off the text, what
annotators wrote (discourse relations, gesture labels), or the truth. Oracle rows stand apart in every table.
"""


@dataclass(frozen=True)
class Component:
    """A trained part of a method.

    `fit` the function that trains it, as `module:function`, called as `fit(config, context)`; `config` the sections
    that affect it (they enter its hash, the method's name does not: two methods with the same codec share one
    artifact); `needs` components that must be fitted before it; `version` raised by hand when the code changes what is
    learnt; `seeded` whether each run seed trains its own (shared codecs are not); `place` what the fit needs to know
    but does not depend on (where files lie).
    """

    name: str
    fit: str
    config: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    version: int = 1
    seeded: bool = True
    place: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Control:
    """Motion given to a method beside the speech: `motion`, and `mask` (T, 55) bool where it is to be followed.

    Keyframes are a mask with few true rows; the anchors of a table (ground truth, reconstruction) are given everything.
    """

    motion: Motion
    mask: np.ndarray = field(repr=False)

    @classmethod
    def everything(cls, motion: Motion) -> "Control":
        return cls.of(motion, range(55))

    @classmethod
    def of(cls, motion: Motion, joints: Sequence[int]) -> "Control":
        """Some joints in all frames."""
        mask = np.zeros((motion.n_frames, 55), dtype=bool)
        mask[:, list(joints)] = True
        return cls(motion, mask)


class Method(ABC):
    """A gesture generator.

    Class attributes: `name`; `Config` its typed configuration; `requires` the annotations it cannot do without
    (`words`, `relations` ...; audio and speaker are always there); `control` what it can be given beside speech:
    `none`, `keyframes` (optional) or `reference` (all of the true motion: anchors of a table, never a competitor).
    """

    name: ClassVar[str]
    Config: ClassVar[type[Config]]
    requires: ClassVar[frozenset[str]] = frozenset()
    control: ClassVar[Literal["none", "keyframes", "reference"]] = "none"
    sampled: ClassVar[bool] = True
    """Whether a motion is drawn from a distribution. If not, seeds choose at most what it starts from, and two of them
    may well give equal motions."""
    version: ClassVar[int] = 1
    """Raised by hand when generation changes what it produces from equal weights."""

    @classmethod
    def preset(cls, size: str) -> Config:
        """The configuration of a size: `tiny` (tests), `demo` (minutes on two cores) or `paper`."""
        return cls.Config()

    @classmethod
    def dictated(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings that others decide, nested: of weights that were not trained here, their sizes. They replace a
        preset's; `values` are all settings that a row would have without them.
        """
        return {}

    @classmethod
    def components(cls, config: Config) -> tuple[Component, ...]:
        """The trained parts, in an order in which each follows what it needs."""
        return ()

    @classmethod
    def absences(cls, config: Config) -> tuple[str, ...]:
        """What this configuration reads and what is not on this machine, one line each with the way to get it. Looks
        for files, loads nothing: plans are made where nothing is trained.
        """
        return ()

    @classmethod
    def query(cls, config: Config) -> Query:
        """Which information about the test clip a run with this configuration uses."""
        return "none"

    @classmethod
    def shown(cls, config: Config) -> tuple[int, ...]:
        """The joints whose true motion a run with this configuration is given as `control`, in all frames."""
        return tuple(range(55)) if cls.control == "reference" else ()

    @classmethod
    @abstractmethod
    def load(cls, config: Config, artifacts: Mapping[str, Path], store: ClipStore) -> "Method":
        """The method ready to generate, from the artifacts of its components and the training data it may look things
        up in.
        """

    @abstractmethod
    def generate(
        self,
        speeches: Sequence[Speech],
        *,
        seed: int,
        control: Sequence[Control | None] | None = None,
        batch_size: int = 8,
        progress: Progress = silent,
    ) -> list[Motion]:
        """One motion per speech, 30 fps, `speech.n_frames(30)` frames. A sample depends on (seed, clip id) alone, never
        on the batch.
        """

    @classmethod
    def explained_by(cls, config: Config) -> tuple[str, ...]:
        """Names of the components without which `explain` has nothing to look things up in."""
        return ()

    def explain(self, speeches: Sequence[Speech], *, seed: int) -> list[Mapping[str, Any]] | None:
        """What can be said about how each motion comes about, without generating it, as plain data that JSON can hold:
        a retrieval method's queries and what they found. None where there is nothing to say.
        """
        return None

    def evaluations(self) -> float | None:
        """How often the network was evaluated for a window of motion, the mean over all that was generated since
        loading; None where nobody counted.
        """
        return None
