"""FGD (also FID): Fréchet distance between features of generated and captured motion.

Features come from the encoder of `skeleton_encoder.py`, one per 16 frames, of whole clips cut to a multiple of 32
frames: the encoder normalises over all frames it is given, so whole-clip features are not those of short windows.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import sha256_file, write_json
from gesturebench.common.fitting import FitContext
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.frechet import Moments, frechet_distance
from gesturebench.evaluators.pairs import checked_pair

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder

Pairing = Literal["paired", "cross_half"]
"""`paired`: all predictions against all references, as published; ground truth scores 0. `cross_half`: the mean of
FGD(predictions of half A, references of half B) and the reverse; ground truth scores the distance between two samples
of itself, and every row has that sample size."""

DIM = 240
SCALE_WINDOWS = 256
"""Training windows from which the mean pose and the variance are taken."""


class FGDConfig(Config):
    """`pairing` of the evaluation; the rest belongs to training: `steps` of `batch` windows of `window` frames at
    learning rate `lr`, `velocity` the weight of the frame-to-frame difference in the loss."""

    pairing: Pairing = "cross_half"
    window: int = 64
    steps: int = 200
    batch: int = 16
    lr: float = 3e-4
    velocity: float = 0.1


class FGD(Evaluator):
    """FGD with an encoder trained on the training split; its identity, a hash of the weights, is part of the numbers.

    Predictions and references are taken as they are: the eyes, identity in generated motion, are real in references.
    """

    name: ClassVar[str] = "fgd"
    Config: ClassVar[type[Config]] = FGDConfig
    columns: ClassVar[tuple[Column, ...]] = (Column("fgd", "FGD", "lower", 3),)
    fitted: ClassVar[bool] = True

    @classmethod
    def preset(cls, size: str) -> Config:
        sizes = {
            "tiny": FGDConfig(steps=50, batch=8),
            "demo": FGDConfig(),
            "paper": FGDConfig(steps=20_000, batch=128, lr=3e-4),
        }
        return sizes[size]

    @classmethod
    def fit_sections(cls, config: Config) -> dict[str, Any]:
        return config.model_dump(exclude={"pairing"})

    @classmethod
    def fit(cls, config: Config, context: FitContext) -> None:
        from gesturebench.common.checkpoint import save_weights
        from gesturebench.common.seeds import torch_generator
        from gesturebench.common.training import Training, train
        from gesturebench.evaluators.fgd_training import Scale, TrainingWindows, new_autoencoder, reconstruction_losses

        windows = TrainingWindows(context.store, config.window)
        scale = Scale.of(windows.draw(SCALE_WINDOWS, torch_generator("fgd", "scale", context.seed)))
        model = new_autoencoder(context.seed, scale)

        def losses_of(generator: "Generator") -> dict[str, "Tensor"]:
            return reconstruction_losses(model, windows.draw(config.batch, generator), scale, config.velocity)

        training = Training(steps=config.steps, batch=config.batch, lr=config.lr)
        curve = train(
            model, losses_of, training, seed_axes=("fgd", context.seed), work=context.work, progress=context.progress
        )
        save_weights(model, context.out)
        write_json(
            context.out / "config.json",
            {"config": cls.fit_sections(config), "curve": curve, "data": context.store.fingerprint},
        )

    def reset(self) -> None:
        self.predicted = [Moments.empty(DIM), Moments.empty(DIM)]
        self.reference = [Moments.empty(DIM), Moments.empty(DIM)]
        self.clips, self.skipped = [0, 0], 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        from gesturebench.evaluators.fgd_training import BLOCK, clip_features

        checked_pair(prediction, clip)
        if prediction.n_frames < BLOCK:
            self.skipped += 1
            return {}
        half = self._half(clip.id)
        self.predicted[half] += Moments.of(clip_features(self._encoder, prediction.poses))
        self.reference[half] += Moments.of(clip_features(self._encoder, clip.motion.poses))
        self.clips[half] += 1
        return {}

    def merge(self, other: Self) -> None:
        for half in (0, 1):
            self.predicted[half] += other.predicted[half]
            self.reference[half] += other.reference[half]
            self.clips[half] += other.clips[half]
        self.skipped += other.skipped

    def compute(self) -> dict[str, Any]:
        pairs = self._pairs()
        return {
            "fgd": float(np.mean([frechet_distance(predicted, reference) for predicted, reference in pairs])),
            "n": sum(self.clips),
            "n_predicted": [predicted.n for predicted, _ in pairs],
            "n_reference": [reference.n for _, reference in pairs],
            "skipped": self.skipped,
            "pairing": self.config.pairing,
            "encoder": self.encoder_id,
        }

    @cached_property
    def encoder_id(self) -> str:
        """The first 16 digits of the hash of the encoder's weights."""
        from gesturebench.common.checkpoint import WEIGHTS

        return sha256_file(self.artifact / WEIGHTS)[:16]

    @cached_property
    def _encoder(self) -> "SkeletonAutoencoder":
        from gesturebench.common.checkpoint import load_weights
        from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder

        if self.artifact is None:
            raise InputError(
                "fgd has no encoder",
                expected="the folder of a fitted one",
                remedy="run a grid with the metric fgd first",
            )
        model = SkeletonAutoencoder()
        load_weights(model, self.artifact)
        return model

    def _pairs(self) -> list[tuple[Moments, Moments]]:
        """The (predicted, reference) sets whose distances are averaged."""
        if not sum(self.clips):
            raise InputError(
                f"fgd of no clips ({self.skipped} skipped)",
                expected="a pair of 32 frames or more",
                remedy="evaluate more or longer clips",
            )
        if self.config.pairing == "paired":
            return [(self.predicted[0] + self.predicted[1], self.reference[0] + self.reference[1])]
        if not all(self.clips):
            raise InputError(
                f"fgd with pairing cross_half: {self.clips[0]} clips in one half, {self.clips[1]} in the other",
                expected="at least one clip of 32 frames in both",
                remedy="evaluate more clips, or set pairing: paired",
            )
        return [(self.predicted[0], self.reference[1]), (self.predicted[1], self.reference[0])]

    def _half(self, clip_id: str) -> int:
        if self.config.pairing == "paired":
            return 0
        if clip_id not in self._halves:
            raise InputError(
                f"{clip_id} belongs to no split",
                expected="a clip of a split for pairing cross_half",
                remedy="set pairing: paired",
            )
        return self._halves[clip_id]

    @cached_property
    def _halves(self) -> dict[str, int]:
        return halves(self.store)


def halves(store: ClipStore) -> dict[str, int]:
    """Half 0 or 1 of every clip: alternating through the sorted ids of its split.

    Ids start with the speaker, so each half holds half of every speaker's clips (to within one), and a clip's half
    depends on the corpus alone, never on which clips are evaluated or in which order.
    """
    out = {}
    for name in ("train", "val", "test", "additional"):
        try:
            members = store.split(name)
        except InputError:  # a corpus need not have every split
            continue
        out.update({clip_id: rank % 2 for rank, clip_id in enumerate(sorted(members))})
    return out
