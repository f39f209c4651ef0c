"""RAG-Gesture as a method: its components, and generation of motion for speech of any length. Imports nothing heavy at
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
from gesturebench.methods.codec_components import codec_components
from gesturebench.methods.rag_gesture.condition_features import feature_components, missing_models
from gesturebench.methods.rag_gesture.config import PRESETS, RagGestureConfig
from gesturebench.methods.rag_gesture.imported import dictated, imported_components

if TYPE_CHECKING:
    from gesturebench.methods.rag_gesture.generation import Generator
    from gesturebench.methods.rag_gesture.retriever import Retriever

QUERIES: Mapping[str, Query] = {
    "none": "none",
    "discourse": "annotation",
    "gesture_type": "annotation",
    "llm": "text",
    "text": "text",
    "positions": "oracle",
}
"""What a retrieval strategy is told about the test clip; `random` is told what it fills the places of."""


class RagGesture(Method):
    """Latent diffusion over four part VAEs with discourse retrieval (Mughal et al., CVPR 2025)."""

    name = "rag_gesture"
    Config = RagGestureConfig

    def __init__(self, config: RagGestureConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._artifacts, self._store = config, artifacts, store

    @cached_property
    def _retriever(self) -> "Retriever":
        from gesturebench.methods.rag_gesture.retriever import Retriever

        return Retriever(self.config, self._store)

    @cached_property
    def _generator(self) -> "Generator":
        """Trained parts are read when the first motion is asked for; what is retrieved can be explained without."""
        from gesturebench.methods.rag_gesture.generation import Generator

        return Generator(self.config, self._artifacts, self._store, self._retriever)

    @classmethod
    def preset(cls, size: str) -> RagGestureConfig:
        return PRESETS[size]

    @classmethod
    def dictated(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return dictated(values["weights"]) if isinstance(values.get("weights"), str) else {}

    @classmethod
    def components(cls, config: RagGestureConfig) -> tuple[Component, ...]:
        if config.weights is not None:
            return imported_components(config)
        sections = config.model_dump(mode="json", include={"codec", "denoiser", "conditions", "training"})
        parts = (*codec_components(config.codec), *feature_components(config))
        fit = "gesturebench.methods.rag_gesture.fitting:fit_denoiser"
        return (*parts, Component("denoiser", fit, sections, needs=tuple(part.name for part in parts)))

    @classmethod
    def absences(cls, config: RagGestureConfig) -> tuple[str, ...]:
        return missing_models(config)

    @classmethod
    def query(cls, config: RagGestureConfig) -> Query:
        retrieval = config.retrieval
        return QUERIES[retrieval.places if retrieval.strategy == "random" else retrieval.strategy]

    @classmethod
    def load(cls, config: RagGestureConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "RagGesture":
        return cls(config, artifacts, store)

    def explain(self, speeches: Sequence[Speech], *, seed: int) -> list[Mapping[str, Any]] | None:
        """What is retrieved for every window of each speech, why, and where it goes: see `report.py`."""
        from gesturebench.methods.rag_gesture.report import explained

        if self.config.retrieval.strategy == "none":
            return None
        return [explained(self._retriever, speech, seed) for speech in speeches]

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
            motions += self._generator.batch(speeches[first : first + batch_size], seed)
            progress(len(motions), len(speeches))
        return motions
