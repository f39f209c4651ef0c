"""What EMAGE is trained on: the codes of the true motion (Liu et al. 2024, sec. 4.3).

Legend: B batch, T frames, K channels of a latent and codes of a codebook, equal as published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.common.codecs.vq_vae import VQVAE
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.emage.network import BODY, Prediction

LATENT_WEIGHT = 3.0


@dataclass(frozen=True, eq=False)
class Codes:
    """The true codes of every frame by part: indices (B, T) and latents (B, T, K)."""

    indices: dict[str, Tensor]
    latents: dict[str, Tensor]

    def frames(self, start: int, stop: int) -> "Codes":
        cut = slice(start, stop)
        return Codes(*({part: x[:, cut] for part, x in group.items()} for group in (self.indices, self.latents)))


@torch.no_grad()
def true_codes(codecs: Mapping[str, VQVAE], features: Mapping[str, Tensor]) -> Codes:
    """Codes of part features (B, T, F), the lower body with absolute translation and contact."""
    indices = {part: codecs[part].indices(features[part]) for part in PART_NAMES}
    return Codes(indices, {part: codecs[part].quantizer.codes(index) for part, index in indices.items()})


def latent_loss(prediction: Prediction, truth: Codes) -> Tensor:
    """3 sum over parts of the mean squared distance between predicted and true latent."""
    errors = [(prediction.latents[part] - truth.latents[part]).square().mean() for part in PART_NAMES]
    return LATENT_WEIGHT * torch.stack(errors).sum()


def code_loss(prediction: Prediction, truth: Codes, parts: Sequence[str] = BODY) -> Tensor:
    """Sum over parts of the mean of -log softmax(logits) at the true code; none of the face, decoded by its latent."""
    losses = [
        torch.nn.functional.cross_entropy(prediction.logits[part].flatten(0, 1), truth.indices[part].flatten())
        for part in parts
    ]
    return torch.stack(losses).sum()
