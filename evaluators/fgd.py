"""FGD (also FID): Fréchet distance between features of generated and captured motion.

Features come from the encoder of `skeleton_encoder.py`, one per 16 frames. Its weights are trained on the corpus at
hand, or the published ones behind the numbers of BEAT2 papers. RAG-Gesture's FGD is this one over windows of 300
frames, of which 288 are used: a protocol cuts them.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.corpus.fingerprint import FGD_WEIGHTS
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_file, write_json
from gesturebench.common.fitting import FitContext
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.frechet import Formula, Moments, frechet_distance
from gesturebench.evaluators.pairs import checked_pair

if TYPE_CHECKING:
    from torch import Generator

    from gesturebench.common.optimisation import Batch, Losses
    from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder

Pairing = Literal["paired", "cross_half"]
"""`paired`: all predictions against all references, as published; ground truth scores 0. `cross_half`: the mean of
FGD(predictions of half A, references of half B) and the reverse; ground truth scores the distance between two samples
of itself, and every row has that sample size."""

Encoder = Literal["trained", "published"]
"""`trained`: on the training split, a step of the grid. `published`: the weights `AESKConv_240_100.bin` of BEAT2."""

Span = Literal["whole_clip", "window_32"]
"""What the encoder is shown at once. `whole_clip`: the clip cut to a multiple of 32 frames, as behind published
numbers. `window_32`: 32 frames after 32 frames, as the network was trained. The encoder normalises over all frames it
is given, so the features differ: by up to 1.6 on random input, at a mean magnitude of 0.58."""

BLOCK = 32
"""Clips are cut to a multiple of this many frames; a shorter clip has no features."""

DIM = 240
RECORD = "config.json"
SCALE_WINDOWS = 256
"""Training windows from which the mean pose and the variance are taken."""


class FGDConfig(Config):
    """Which `encoder`, and for a published one the file `weights` (by default the corpus's own); the `features` it is
    asked for, `pairing` of the sets, formula of the `distance`.

    The rest belongs to training: `steps` of `batch` windows of `window` frames at learning rate `lr`, `velocity` the
    weight of the frame-to-frame difference in the loss.
    """

    encoder: Encoder = "trained"
    weights: Path | None = None
    features: Span = "whole_clip"
    pairing: Pairing = "cross_half"
    distance: Formula = "exact"
    window: int = Field(64, ge=BLOCK, multiple_of=16)
    steps: int = Field(200, ge=0)
    batch: int = Field(16, ge=1)
    lr: float = Field(3e-4, gt=0)
    velocity: float = Field(0.1, ge=0)


class FGD(Evaluator):
    """FGD; the identity of the encoder, a hash of its weights, is part of the numbers.

    Predictions and references are taken as they are: the eyes, identity in generated motion, are real in references.
    A covariance of fewer than 241 features has no full rank: the distance stays real and finite, but depends on the
    number of features more than on the motion; such numbers say so.
    """

    name: ClassVar[str] = "fgd"
    Config: ClassVar[type[Config]] = FGDConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "fgd",
            "FGD",
            "lower",
            3,
            unit="squared feature units",
            formula="|mu_a - mu_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2) of 240 features per 16 frames",
            scales={"EMAGE": 10.0, "RAG-Gesture": 1.0},
            source="Yoon et al. 2020, with the encoder of Liu et al. 2024 (EMAGE); RAG-Gesture: windows of 300 frames",
        ),
    )
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
        if config.encoder == "published":  # known by what it holds, wherever it lies
            return {"encoder": "published", "sha256": config.weights and _source_hash(config.weights)}
        return config.model_dump(exclude={"weights", "features", "pairing", "distance"})

    @classmethod
    def fit(cls, config: Config, context: FitContext) -> None:
        if config.encoder == "published":
            _import_published(config.weights or context.store.path / FGD_WEIGHTS, context)
        else:
            _train(config, context)

    def reset(self) -> None:
        self.predicted = [Moments.empty(DIM), Moments.empty(DIM)]
        self.reference = [Moments.empty(DIM), Moments.empty(DIM)]
        self.clips, self.skipped = [0, 0], 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        from gesturebench.evaluators.fgd_features import clip_features

        checked_pair(prediction, clip)
        if prediction.n_frames < BLOCK:
            self.skipped += 1
            return {}
        half = self._half(clip.id)
        for moments, motion in ((self.predicted, prediction), (self.reference, clip.motion)):
            moments[half] += Moments.of(clip_features(self._encoder, motion.poses, self.config.features))
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
        distances = [frechet_distance(predicted, reference, self.config.distance) for predicted, reference in pairs]
        return {
            "fgd": float(np.mean(distances)),
            "n": sum(self.clips),
            "n_predicted": [predicted.n for predicted, _ in pairs],
            "n_reference": [reference.n for _, reference in pairs],
            "rank_deficient": min(moments.n for pair in pairs for moments in pair) <= DIM,
            "skipped": self.skipped,
            "pairing": self.config.pairing,
            "encoder": self.encoder_id,
        }

    @cached_property
    def encoder_id(self) -> str:
        """The first 16 digits of the hash of the trained weights, or of the published file."""
        from gesturebench.common.checkpoint import WEIGHTS

        if self.config.encoder == "published":
            return read_json(self._artifact / RECORD)["sha256"][:16]
        return sha256_file(self._artifact / WEIGHTS)[:16]

    @property
    def _artifact(self) -> Path:
        if self.artifact is None:
            raise InputError(
                "fgd has no encoder",
                expected="the folder of a fitted one",
                remedy="run a grid with the metric fgd first",
            )
        return self.artifact

    @cached_property
    def _encoder(self) -> "SkeletonAutoencoder":
        from gesturebench.common.checkpoint import load_weights
        from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder

        model = SkeletonAutoencoder()
        load_weights(model, self._artifact)
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


def _train(config: FGDConfig, context: FitContext) -> None:
    from gesturebench.common.checkpoint import save_weights
    from gesturebench.common.seeds import torch_generator
    from gesturebench.common.training import Training, train
    from gesturebench.evaluators.fgd_training import Scale, TrainingWindows, new_autoencoder, reconstruction_losses

    windows = TrainingWindows(context.store, config.window)
    scale = Scale.of(windows.draw(SCALE_WINDOWS, torch_generator("fgd", "scale", context.seed)))
    model = new_autoencoder(context.seed, scale)

    def draw(rows: int, generator: "Generator") -> "Batch":
        return {"rot6d": windows.draw(rows, generator)}

    def losses_of(batch: "Batch") -> "Losses":
        return reconstruction_losses(model, batch["rot6d"], scale, config.velocity)

    training = Training(steps=config.steps, batch=config.batch, lr=config.lr)
    train(model, draw, losses_of, training, seed_axes=("fgd", context.seed), context=context)
    save_weights(model, context.out)
    write_json(
        context.out / RECORD,
        {"config": FGD.fit_sections(config), "data": context.store.fingerprint},
    )


def _import_published(source: Path, context: FitContext) -> None:
    """The same artifact from the published file, with the hash of that file."""
    from gesturebench.common.checkpoint import save_weights
    from gesturebench.evaluators.fgd_weights import load_published

    save_weights(load_published(source), context.out)
    write_json(context.out / RECORD, {"config": {"encoder": "published"}, "sha256": sha256_file(source)})


def _source_hash(path: Path) -> str:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file", expected="the published FGD encoder", remedy="correct 'weights' of fgd"
        )
    return sha256_file(path)


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
