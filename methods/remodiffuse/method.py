"""ReMoDiffuse as a method: its components, and generation of motion for speech of any length. Imports nothing heavy at
the top.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.progress import Progress, silent
from gesturebench.methods.base import Component, Control, Method, Query
from gesturebench.methods.remodiffuse.components import missing_models, trained_components
from gesturebench.methods.remodiffuse.config import PRESETS, RemodiffuseConfig

if TYPE_CHECKING:
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

            return Shown(self.config, self._artifacts, self._store)
        from gesturebench.methods.remodiffuse.generation import Generator

        return Generator(self.config, self._artifacts, self._store)

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
    def load(cls, config: RemodiffuseConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "Remodiffuse":
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
        motions: list[Motion] = []
        for first in range(0, len(speeches), batch_size):

            def alive(done: int = first) -> None:
                progress(done, len(speeches))

            motions += self._generator.batch(speeches[first : first + batch_size], seed, alive)
            progress(len(motions), len(speeches))
        return motions

    def evaluations(self) -> float | None:
        return None if self.config.retrieval.shown else self._generator.evaluations()
