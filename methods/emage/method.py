"""EMAGE as a method: its components, and generation of motion for speech of any length. Imports nothing heavy at the
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
from gesturebench.methods.codec_components import vq_components
from gesturebench.methods.emage.config import PRESETS, EmageConfig
from gesturebench.methods.imported import dictated, imported_components

if TYPE_CHECKING:
    from gesturebench.methods.emage.generation import Generator


class Emage(Method):
    """Masked gestures over part VQ-VAEs, the audio model (Liu et al., CVPR 2024)."""

    name = "emage"
    Config = EmageConfig
    control = "keyframes"
    sampled = False

    def __init__(self, config: EmageConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._artifacts, self._store = config, artifacts, store

    @cached_property
    def _generator(self) -> "Generator":
        from gesturebench.methods.emage.generation import trained

        return trained(self.config, self._artifacts, self._store)

    @classmethod
    def preset(cls, size: str) -> EmageConfig:
        return PRESETS[size]

    @classmethod
    def dictated(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return dictated(values["weights"], cls.name) if isinstance(values.get("weights"), str) else {}

    @classmethod
    def components(cls, config: EmageConfig) -> tuple[Component, ...]:
        if config.weights is not None:
            return imported_components(config, cls.name)
        sections = config.model_dump(mode="json", include={"priors", "network", "hints", "training"})
        priors = vq_components(config.priors)
        fit = "gesturebench.methods.emage.fitting:fit_audio_model"
        return (*priors, Component("audio_model", fit, sections, needs=tuple(part.name for part in priors)))

    @classmethod
    def shown(cls, config: EmageConfig) -> tuple[int, ...]:
        return tuple(sorted({joint for name in config.given for joint in SELECTIONS[name]}))

    @classmethod
    def query(cls, config: EmageConfig) -> Query:
        return "oracle" if config.given else "none"

    @classmethod
    def load(cls, config: EmageConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "Emage":
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

        if self.config.given and (control is None or None in control):
            raise InputError(
                f"given = {', '.join(self.config.given)}, and no motion was given",
                expected="the true motion of every clip",
                remedy="use this row on a corpus, not on a wav",
            )
        return in_batches(make, speeches, control, batch_size, progress)
