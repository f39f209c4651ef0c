"""Training of the motion priors (stage 1 of EMAGE and MambaTalk).

Legend: B windows, T frames, F features of a part.
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.codecs.prior_losses import (
    Terms,
    face_terms,
    global_terms,
    lower_terms,
    rotation_terms,
    rotations_alone,
    rotations_in,
    total,
)
from gesturebench.common.codecs.prior_points import global_points, part_points
from gesturebench.common.codecs.prior_quality import global_quality, part_quality
from gesturebench.common.codecs.prior_windows import PriorWindows
from gesturebench.common.codecs.vq_config import QUALITY, PriorConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.device import device
from gesturebench.common.files import write_json
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.skeleton import PART_JOINTS
from gesturebench.common.seeds import seed_of, torch_generator
from gesturebench.common.training import PROGRESS, Batch, Losses, train

SPLIT = "train"
START_WINDOWS = 64
"""That centring and the first codes are taken from."""
ROUNDS = 10

M = TypeVar("M", bound=nn.Module)


def fit_part_vq(config: Mapping[str, Any], context: FitContext) -> None:
    """Train the codec of `config["part"]` with the settings `config["priors"]`; writes weights and `quality.json`."""
    priors, part = PriorConfig.parse(dict(config["priors"]), "priors"), config["part"]
    training = priors.part_training(part).divided(context.batch_divisor)
    codec = seeded(lambda: VQVAE(PART_FEATURES[part], priors.part_codec(part)), "part_vq", part, context.seed)
    run = _PartTraining(codec, part, priors, training.steps, context)
    if priors.centred:
        centre(codec, run.sample)
    train(codec, run.draw, run.losses_of, training, seed_axes=("part_vq", part, context.seed), context=context)
    save_weights(codec, context.out)
    write_json(context.out / QUALITY, part_quality(codec.eval(), part, context.store, priors.frames))


class _PartTraining:
    """What a part's codec is trained on; `sample` windows are those that it starts from."""

    def __init__(self, codec: VQVAE, part: str, priors: PriorConfig, steps: int, context: FitContext):
        self._codec, self._part, self._seed = codec, part, context.seed
        self._windows = PriorWindows(context.store, SPLIT, priors.frames, priors.stride)
        points = part_points(priors, part, context.store)
        self._points = points.to(device()) if points is not None else lambda *_: {}
        self._first_coded = ceil(priors.uncoded * steps)
        self._steps = steps
        self.sample = self.draw(START_WINDOWS, torch_generator("start", part, context.seed))["x"]

    def draw(self, rows: int, generator: torch.Generator) -> Batch:
        drawn = self._windows.draw(rows, generator)
        return {"x": self._windows.features(drawn, (self._part,))[self._part], "betas": self._windows.betas(drawn)}

    def losses_of(self, batch: Batch) -> Losses:
        x, step = batch["x"], round(float(batch[PROGRESS][0]) * self._steps)
        if step == self._first_coded > 0:
            generator = torch_generator("codes", self._part, self._seed)
            start_codes(self._codec, self.sample.to(x.device), generator)
        z = self._codec.encoder(x)
        quantised = self._codec.quantizer(z)
        coded = step >= self._first_coded
        y = self._codec.decoder(quantised.latent if coded else z)
        with torch.autocast(x.device.type, enabled=False):
            terms = part_terms(self._part, y.float(), x) | self._points(y.float(), x, batch["betas"])
            terms["codebook"] = coded * quantised.loss.float()
            return {"loss": total(terms), **terms, "perplexity": coded * quantised.perplexity}


def fit_global_motion(config: Mapping[str, Any], context: FitContext) -> None:
    """Train the network that reads translation off the legs, with the settings `config["priors"]`."""
    priors = PriorConfig.parse(dict(config["priors"]), "priors")
    windows = PriorWindows(context.store, SPLIT, priors.frames, priors.stride)
    network = seeded(
        lambda: ConvAutoencoder(PART_FEATURES["lower"], priors.global_motion), "global_motion", context.seed
    )

    def draw(rows: int, generator: torch.Generator) -> Batch:
        drawn = windows.draw(rows, generator)
        return {"x": windows.features(drawn, ("lower",))["lower"], "feet": windows.feet(drawn)}

    def losses_of(batch: Batch) -> Losses:
        y = network(rotations_alone(batch["x"]))
        with torch.autocast(y.device.type, enabled=False):
            terms = global_terms(y.float(), batch["x"])
            if priors.body != "none":
                terms |= global_points(y.float(), batch["x"], batch["feet"], priors.body_velocity == "time")
            return {"loss": total(terms), **terms}

    train(network, draw, losses_of, priors.training, seed_axes=("global_motion", context.seed), context=context)
    save_weights(network, context.out)
    write_json(context.out / QUALITY, global_quality(network.eval(), context.store, priors.frames))


def seeded(build: Callable[[], M], *axes: object) -> M:
    """A network whose first weights depend on the axes alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(*axes))
        return build()


def part_terms(part: str, prediction_BTF: Tensor, truth_BTF: Tensor) -> Terms:
    """The terms about the features themselves."""
    if part == "face":
        return face_terms(prediction_BTF, truth_BTF)
    if part == "lower":
        return lower_terms(prediction_BTF, truth_BTF)
    joints = len(PART_JOINTS[part])
    return rotation_terms(rotations_in(prediction_BTF, joints), rotations_in(truth_BTF, joints))


@torch.no_grad()
def centre(codec: VQVAE, x_BTF: Tensor) -> None:
    """Features enter centred and scaled, one scale for all, and leave around their mean."""
    mean = x_BTF.mean((0, 1))
    scale = (x_BTF - mean).square().mean().sqrt().clamp(min=1e-4)
    first, last = codec.encoder.main[0], codec.decoder.main[-1]
    first.weight.div_(scale)
    first.bias.copy_(-first.weight.sum(-1) @ mean)
    last.weight.mul_(scale)
    last.bias.copy_(mean)


@torch.no_grad()
def start_codes(codec: VQVAE, x_BTF: Tensor, generator: torch.Generator) -> None:
    """Make the codes latents of random frames, then, a few times, means of the latents that they stand for."""
    z = codec.encoder(x_BTF).flatten(0, 1).float()
    codebook = codec.quantizer.embedding.weight
    codebook.copy_(z[torch.randperm(len(z), generator=generator)[: len(codebook)].to(z.device)])
    for _ in range(ROUNDS):
        index = codec.quantizer.indices(z)
        count = torch.bincount(index, minlength=len(codebook))[:, None]
        sums = torch.zeros_like(codebook).index_add_(0, index, z)
        codebook.copy_(torch.where(count > 0, sums / count.clamp(min=1), codebook))
