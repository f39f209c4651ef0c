"""ReMoDiffuse as a method: its components, and generation of motion for speech of any length. Imports nothing heavy at
the top.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.progress import Progress, silent
from gesturebench.methods.base import Component, Control, Method, Query
from gesturebench.methods.batches import Alive, in_batches
from gesturebench.methods.remodiffuse.components import missing_models, trained_components
from gesturebench.methods.remodiffuse.config import PRESETS, RemodiffuseConfig
from gesturebench.methods.remodiffuse.retrieval_components import PHRASES

if TYPE_CHECKING:
    from gesturebench.methods.remodiffuse.database import PhraseDatabase
    from gesturebench.methods.remodiffuse.generation import Generator
    from gesturebench.methods.remodiffuse.shown import Shown


class Remodiffuse(Method):
    """Diffusion that attends to speech and to retrieved motion, mixed by condition (Zhang et al., ICCV 2023)."""

    name = "remodiffuse"
    Config = RemodiffuseConfig

    def __init__(self, config: RemodiffuseConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._artifacts, self._store = config, artifacts, store

    @cached_property
    def _generator(self) -> "Generator | Shown":
        if self.config.retrieval.shown:
            from gesturebench.methods.remodiffuse.shown import Shown

            return Shown(self._database, self._artifacts, self._store)
        from gesturebench.methods.remodiffuse.generation import Generator

        return Generator(self.config, self._artifacts, self._store, self._database)

    @cached_property
    def _database(self) -> "PhraseDatabase | None":
        """Read on its own: what is retrieved can be explained without the network."""
        from gesturebench.methods.remodiffuse.database import PhraseDatabase

        return PhraseDatabase.load(self.config, self._artifacts) if self.config.use_retrieval else None

    @classmethod
    def preset(cls, size: str) -> RemodiffuseConfig:
        return PRESETS[size]

    @classmethod
    def components(cls, config: RemodiffuseConfig) -> tuple[Component, ...]:
        return trained_components(config)

    @classmethod
    def absences(cls, config: RemodiffuseConfig) -> tuple[str, ...]:
        return missing_models(config)

    @classmethod
    def query(cls, config: RemodiffuseConfig) -> Query:
        """Phrases are found by their words and by how long they last."""
        return "text" if config.use_retrieval else "none"

    @classmethod
    def explained_by(cls, config: RemodiffuseConfig) -> tuple[str, ...]:
        return (PHRASES,) if config.use_retrieval else ()

    @classmethod
    def load(cls, config: RemodiffuseConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "Remodiffuse":
        return cls(config, artifacts, store)

    def explain(self, speeches: Sequence[Speech], *, seed: int) -> list[Mapping[str, Any]] | None:
        """Which phrases ask for each window, and what they find: see `report.py`."""
        from gesturebench.methods.remodiffuse.report import explained

        if self._database is None:
            return None
        return [explained(self._database, self.config, speech, seed) for speech in speeches]

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
            return self._generator.batch(some, seed, alive)

        return in_batches(make, speeches, control, batch_size, progress)

    def evaluations(self) -> float | None:
        return None if self.config.retrieval.shown else self._generator.evaluations()
