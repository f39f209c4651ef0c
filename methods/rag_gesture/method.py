"""RAG-Gesture as a method: its components, and generation of motion for speech of any length. Imports nothing heavy at
the top.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.progress import Progress, silent
from gesturebench.methods.base import Component, Control, Method, Query
from gesturebench.methods.codec_components import codec_components
from gesturebench.methods.rag_gesture.config import PRESETS, RagGestureConfig


class RagGesture(Method):
    """Latent diffusion over four part VAEs with discourse retrieval (Mughal et al., CVPR 2025)."""

    name = "rag_gesture"
    Config = RagGestureConfig

    def __init__(self, generator):
        self._generator = generator

    @classmethod
    def preset(cls, size: str) -> RagGestureConfig:
        return PRESETS[size]

    @classmethod
    def components(cls, config: RagGestureConfig) -> tuple[Component, ...]:
        sections = config.model_dump(mode="json", include={"codec", "denoiser", "conditions", "training"})
        vaes = codec_components(config.codec)
        fit = "gesturebench.methods.rag_gesture.fitting:fit_denoiser"
        return (*vaes, Component("denoiser", fit, sections, needs=tuple(f"vae_{part}" for part in PART_NAMES)))

    @classmethod
    def query(cls, config: RagGestureConfig) -> Query:
        return {"none": "none", "discourse": "annotation", "random": "annotation", "positions": "oracle"}[
            config.retrieval.strategy
        ]

    @classmethod
    def load(cls, config: RagGestureConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "RagGesture":
        from gesturebench.methods.rag_gesture.generation import Generator

        return cls(Generator(config, artifacts, store))

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
