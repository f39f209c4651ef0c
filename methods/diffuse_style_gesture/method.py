"""DiffuseStyleGesture as a method: its components, and generation of motion for speech of any length. Imports nothing
heavy at the top.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.progress import Progress, silent
from gesturebench.methods.base import Component, Control, Method
from gesturebench.methods.batches import Alive, in_batches
from gesturebench.methods.diffuse_style_gesture.components import trained_components
from gesturebench.methods.diffuse_style_gesture.config import PRESETS, DiffuseStyleGestureConfig

if TYPE_CHECKING:
    from gesturebench.methods.diffuse_style_gesture.generation import Generator


class DiffuseStyleGesture(Method):
    """Diffusion with cross-local attention over speech, style and seed poses (Yang et al., IJCAI 2023); poses are given
    by inpainting."""

    name = "diffuse_style_gesture"
    Config = DiffuseStyleGestureConfig
    control = "keyframes"

    def __init__(self, config: DiffuseStyleGestureConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._artifacts, self._store = config, artifacts, store

    @cached_property
    def _generator(self) -> "Generator":
        from gesturebench.methods.diffuse_style_gesture.generation import Generator

        return Generator(self.config, self._artifacts, self._store)

    @classmethod
    def preset(cls, size: str) -> DiffuseStyleGestureConfig:
        return PRESETS[size]

    @classmethod
    def components(cls, config: DiffuseStyleGestureConfig) -> tuple[Component, ...]:
        return trained_components(config)

    @classmethod
    def absences(cls, config: DiffuseStyleGestureConfig) -> tuple[str, ...]:
        return config.speech.absences("speech")

    @classmethod
    def load(
        cls, config: DiffuseStyleGestureConfig, artifacts: Mapping[str, Path], store: ClipStore
    ) -> "DiffuseStyleGesture":
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
