"""ExGes as a method: its components, and generation of motion for speech of any length. Imports nothing heavy at the
top.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import SELECTIONS
from gesturebench.common.progress import Progress, silent
from gesturebench.methods.base import Component, Control, Method, Query
from gesturebench.methods.batches import Alive, in_batches
from gesturebench.methods.exges.components import missing_models, trained_components
from gesturebench.methods.exges.config import PRESETS, ExgesConfig
from gesturebench.methods.exges.retrieval.components import MOTION_BASE, RETRIEVER

if TYPE_CHECKING:
    from gesturebench.methods.exges.following import Followed
    from gesturebench.methods.exges.generation import Generator


class Exges(Method):
    """Retrieved keyframes and precise control of a diffusion model (Zhou et al., 2025)."""

    name = "exges"
    Config = ExgesConfig
    control = "keyframes"

    def __init__(self, config: ExgesConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._artifacts, self._store = config, artifacts, store

    @cached_property
    def _generator(self) -> "Generator":
        from gesturebench.methods.exges.generation import Generator

        return Generator(self.config, self._artifacts, self._store, self._followed)

    @cached_property
    def _followed(self) -> "Followed":
        """Read on its own: what is retrieved can be explained without the denoiser."""
        from gesturebench.methods.exges.following import Followed
        from gesturebench.methods.exges.retrieval.search import Retriever

        config = self.config
        found = Retriever.load(config.retrieval, self._artifacts, self._store) if config.has_retrieval else None
        return Followed(config, found)

    @classmethod
    def preset(cls, size: str) -> ExgesConfig:
        return PRESETS[size]

    @classmethod
    def components(cls, config: ExgesConfig) -> tuple[Component, ...]:
        return trained_components(config)

    @classmethod
    def absences(cls, config: ExgesConfig) -> tuple[str, ...]:
        return missing_models(config)

    @classmethod
    def query(cls, config: ExgesConfig) -> Query:
        """Retrieval needs the times of words, which cut the speech into segments; its vectors are of sound."""
        if config.keyframes.source == "ground_truth":
            return "oracle"
        return "text" if config.has_retrieval else "none"

    @classmethod
    def shown(cls, config: ExgesConfig) -> tuple[int, ...]:
        return SELECTIONS["full"] if config.keyframes.source == "ground_truth" else ()

    @classmethod
    def load(cls, config: ExgesConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "Exges":
        return cls(config, artifacts, store)

    def generate(
        self,
        speeches: Sequence[Speech],
        *,
        seed: int,
        control: Sequence[Control | None] | None = None,
        batch_size: int = 8,
        progress: Progress = silent,
    ) -> list[Motion]:
        def make(some: Sequence[Speech], controls: Sequence[Control | None], alive: Alive) -> list[Motion]:
            return self._generator.batch(some, controls, seed, alive)

        if self.config.keyframes.source == "ground_truth" and (control is None or None in control):
            raise InputError(
                "keyframes = ground_truth, and no motion was given",
                expected="the true motion of every clip",
                remedy="use this row on a corpus, or other keyframes on a wav",
            )
        return in_batches(make, speeches, control, batch_size, progress)

    @classmethod
    def explained_by(cls, config: ExgesConfig) -> tuple[str, ...]:
        return (MOTION_BASE, RETRIEVER) if config.has_retrieval else ()

    def explain(self, speeches: Sequence[Speech], *, seed: int) -> list[Mapping[str, Any]] | None:
        """What each segment of speech finds, and the keyframe it gives: see `report.py`."""
        from gesturebench.methods.exges.report import explained

        if not self.config.has_retrieval:
            return None
        return [explained(self._followed, self.config.keyframes.source, speech, seed) for speech in speeches]
