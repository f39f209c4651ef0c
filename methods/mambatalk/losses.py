"""What MambaTalk is trained on: codes and latents of the true motion, in a task of generation and two masked ones.

Legend: B batch, T frames, M motion channels, K codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.optimisation import Losses
from gesturebench.methods.mambatalk.config import LossConfig
from gesturebench.methods.mambatalk.network import Network, Prediction

LEAST_HIDDEN = 0.05
"""Share of the motion's numbers that masked tasks hide at the first step; at the last they hide all."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The true codes of every frame by part: indices (B, T) and latents (B, T, K); without VQ-VAEs the motion features
    stand in place of latents, and there are no indices."""

    indices: dict[str, Tensor]
    latents: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Sample:
    """What a step knows: channels of speech (B, S, 3), words and speaker (B, T), the true motion (B, T, M), where
    masked tasks hide it (B, T, M), and its codes."""

    audio: Tensor
    words: Tensor
    speaker: Tensor
    motion: Tensor
    hidden: Tensor
    truth: Truth


def all_but_seed(motion_BTM: Tensor, frames: int) -> Tensor:
    """(B, T, M) bool: hidden are all frames but the first ones."""
    hidden = torch.ones_like(motion_BTM, dtype=torch.bool)
    hidden[:, :frames] = False
    return hidden


def hidden_share(progress: Tensor) -> Tensor:
    """Share of numbers that masked tasks hide when a share `progress` of the training is done."""
    return progress * (1 - LEAST_HIDDEN) + LEAST_HIDDEN


def latent_loss(prediction: Prediction, truth: Truth) -> Tensor:
    """Sum over parts of the mean squared error of latents."""
    return sum((prediction.latents[part] - truth.latents[part]).square().mean() for part in PART_NAMES)


def code_loss(prediction: Prediction, truth: Truth, weights: Mapping[str, float]) -> Tensor:
    """Weighted sum over parts of the mean of -log softmax(scores) at the true code; 0 without VQ-VAEs."""
    losses = [
        weights[part]
        * torch.nn.functional.cross_entropy(scores.flatten(0, 1), truth.indices[part].flatten().to(scores.device))
        for part, scores in prediction.scores.items()
        if weights[part]
    ]
    return sum(losses, prediction.latents["face"].new_zeros(()))


def step_losses(network: Network, sample: Sample, config: LossConfig, seed_frames: int) -> Losses:
    """All terms of a step by name, and their sum `loss`: of generation after the first frames (`latent`, `codes`), and
    of the masked tasks (`masked_latent`, `masked_codes`, `again_latent`, `again_codes`).

    Speech is heard once for all tasks: nothing in hearing is random, so hearing it in each, as published, gives the
    same numbers for more than twice the work.
    """
    generation, everywhere = config.codes.model_dump(), dict.fromkeys(PART_NAMES, 1.0)
    tasks = [("", all_but_seed(sample.motion, seed_frames), generation, 1.0)]
    if config.masked == "twice":
        tasks += [("masked_", sample.hidden, everywhere, 1.0), ("again_", sample.hidden, everywhere, 1.0)]
    else:
        tasks += [("masked_", sample.hidden, everywhere, 2.0)]
    heard = network.hear(sample.audio, sample.words)
    terms: dict[str, Tensor] = {}
    for name, hidden, weights, times in tasks:
        prediction = network.move(heard, sample.speaker, sample.motion, hidden)
        terms[f"{name}latent"] = times * config.latent * latent_loss(prediction, sample.truth)
        terms[f"{name}codes"] = times * code_loss(prediction, sample.truth, weights)
    return {"loss": sum(terms.values()), **terms}
