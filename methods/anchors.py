"""The anchors of a table: ground truth, what codecs leave of it, and motion that never heard the speech."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from gesturebench.common.codecs.config import CodecConfig
from gesturebench.common.codecs.vq_config import PRIORS, PriorConfig
from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.progress import Progress, silent
from gesturebench.methods.base import Component, Control, Method
from gesturebench.methods.codec_components import codec_components, vq_components

FPS = 30


def _references(speeches: Sequence[Speech], control: Sequence[Control | None] | None) -> list[Motion]:
    if control is None or any(c is None for c in control):
        raise InputError(
            "no reference motion was given",
            expected="the true motion of every clip",
            remedy="use this row on a corpus, not on a wav",
        )
    return [c.motion for c in control]


class GroundTruth(Method):
    """The recorded motion itself: the value every metric should come close to."""

    name = "ground_truth"
    Config = Config
    control = "reference"

    @classmethod
    def load(cls, config: Config, artifacts: Mapping[str, Path], store: ClipStore) -> "GroundTruth":
        return cls()

    def generate(self, speeches, *, seed, control=None, batch_size=8, progress: Progress = silent) -> list[Motion]:
        return _references(speeches, control)


class ReconstructionConfig(Config):
    """The codec whose loss is shown; equal settings share the trained VAEs with every other method."""

    codec: CodecConfig


class Reconstruction(Method):
    """The recorded motion through the part VAEs and back: what latent methods cannot exceed."""

    name = "reconstruction"
    Config = ReconstructionConfig
    control = "reference"

    def __init__(self, config: ReconstructionConfig, artifacts: Mapping[str, Path], store: ClipStore):
        from gesturebench.common.codecs.part_codec import PartCodecs

        self._config, self._store = config.codec, store
        self._codecs = PartCodecs(config.codec, {part: artifacts[f"vae_{part}"] for part in PART_NAMES})

    @classmethod
    def preset(cls, size: str) -> ReconstructionConfig:
        from gesturebench.methods.rag_gesture.config import PRESETS

        return ReconstructionConfig(codec=PRESETS[size].codec)

    @classmethod
    def components(cls, config: ReconstructionConfig) -> tuple[Component, ...]:
        return codec_components(config.codec)

    @classmethod
    def load(cls, config: ReconstructionConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "Reconstruction":
        return cls(config, artifacts, store)

    def generate(self, speeches, *, seed, control=None, batch_size=8, progress: Progress = silent) -> list[Motion]:
        from gesturebench.common.codecs.reconstruction import reconstruct
        from gesturebench.common.seeds import torch_generator

        motions: list[Motion] = []
        for speech, motion in zip(speeches, _references(speeches, control), strict=True):
            generator = torch_generator("reconstruction", seed, speech.clip_id)
            motions.append(reconstruct(motion, self._codecs, self._store.joints, generator))
            progress(len(motions), len(speeches))
        return motions


class VQReconstructionConfig(Config):
    """The motion priors whose loss is shown; equal settings share the trained ones with every other method."""

    priors: PriorConfig


class VQReconstruction(Method):
    """The recorded motion through the codes of the motion priors and back, its translation read off the decoded legs:
    what methods that predict codes cannot exceed.
    """

    name = "vq_reconstruction"
    Config = VQReconstructionConfig
    control = "reference"

    def __init__(self, config: VQReconstructionConfig, artifacts: Mapping[str, Path], store: ClipStore):
        from gesturebench.common.codecs.part_vqs import PartVQs

        self._vqs, self._store = PartVQs(config.priors, artifacts), store

    @classmethod
    def preset(cls, size: str) -> VQReconstructionConfig:
        return VQReconstructionConfig(priors=PRIORS[size])

    @classmethod
    def components(cls, config: VQReconstructionConfig) -> tuple[Component, ...]:
        return vq_components(config.priors)

    @classmethod
    def load(
        cls, config: VQReconstructionConfig, artifacts: Mapping[str, Path], store: ClipStore
    ) -> "VQReconstruction":
        return cls(config, artifacts, store)

    def generate(self, speeches, *, seed, control=None, batch_size=8, progress: Progress = silent) -> list[Motion]:
        from gesturebench.common.codecs.prior_reconstruction import reconstruct_by_codes

        motions: list[Motion] = []
        for motion in _references(speeches, control):
            motions.append(reconstruct_by_codes(motion, self._vqs, self._store.joints))
            progress(len(motions), len(speeches))
        return motions


class RandomClipConfig(Config):
    """`cell`: one training clip, drawn per run seed, is played to every speech; `clip`: every speech gets its own
    random training clip.
    """

    per: Literal["cell", "clip"] = "cell"


class RandomClip(Method):
    """A random training clip, cut to the speech's length or continued by playing it backwards and forwards."""

    name: ClassVar[str] = "random_clip"
    Config = RandomClipConfig

    def __init__(self, config: RandomClipConfig, store: ClipStore):
        self._per, self._store = config.per, store

    @classmethod
    def load(cls, config: RandomClipConfig, artifacts: Mapping[str, Path], store: ClipStore) -> "RandomClip":
        return cls(config, store)

    def generate(self, speeches, *, seed, control=None, batch_size=8, progress: Progress = silent) -> list[Motion]:
        from gesturebench.common.seeds import numpy_generator

        train = self._store.split("train")
        motions = []
        for speech in speeches:
            rng = numpy_generator("random_clip", seed, *([] if self._per == "cell" else [speech.clip_id]))
            motion = self._store.motion(train[int(rng.integers(len(train)))])
            motions.append(continued(motion, speech.n_frames(FPS)))
        return motions


def continued(motion: Motion, n: int) -> Motion:
    """The first `n` frames of a motion that swings back and forth without a jump.

    Frame indices are 0 1 ... T-1 T-2 ... 1 0 1 ...
    """
    period = max(2 * (motion.n_frames - 1), 1)
    phase = np.arange(n) % period
    index = np.minimum(phase, period - phase) if motion.n_frames > 1 else np.zeros(n, int)
    return Motion(motion.poses[index], motion.expressions[index], motion.trans[index], motion.betas, motion.fps)
