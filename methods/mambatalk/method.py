"""MambaTalk as a method: its components, and generation of motion for speech of any length. Imports nothing heavy at
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
from gesturebench.methods.imported import dictated, imported_components
from gesturebench.methods.mambatalk.components import missing_models, trained_components
from gesturebench.methods.mambatalk.config import PRESETS, MambaTalkConfig

if TYPE_CHECKING:
    from gesturebench.methods.mambatalk.generation import Generator


class MambaTalk(Method):
    """Selective scans over speech and motion, to the codes of part VQ-VAEs (Xu et al., NeurIPS 2024)."""

    name = "mambatalk"
    Config = MambaTalkConfig
    sampled = False

    def __init__(self, config: MambaTalkConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._artifacts, self._store = config, artifacts, store

    @cached_property
    def _generator(self) -> "Generator":
        from gesturebench.methods.mambatalk.generation import Generator

        return Generator(self.config, self._artifacts, self._store)

    @classmethod
    def preset(cls, size: str) -> MambaTalkConfig:
        return PRESETS[size]

    @classmethod
    def dictated(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return dictated(values["weights"], cls.name) if isinstance(values.get("weights"), str) else {}

    @classmethod
    def components(cls, config: MambaTalkConfig) -> tuple[Component, ...]:
        return trained_components(config) if config.weights is None else imported_components(config, cls.name)

    @classmethod
    def absences(cls, config: MambaTalkConfig) -> tuple[str, ...]:
        return missing_models(config)

    @classmethod
    def shown(cls, config: MambaTalkConfig) -> tuple[int, ...]:
        return tuple(range(55)) if config.generation.start == "reference" else ()

    @classmethod
    def query(cls, config: MambaTalkConfig) -> Query:
        """The true first frames tell what no method is told elsewhere."""
        return "oracle" if config.generation.start == "reference" else "none"

    @classmethod
    def load(cls, config: MambaTalkConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "MambaTalk":
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

        return in_batches(make, speeches, control, batch_size, progress)
