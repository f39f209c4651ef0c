"""Vector quantiser: every latent becomes the nearest entry of one codebook (van den Oord et al. 2017, eq. 1 to 3)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantised(NamedTuple):
    """Codes of a batch of latents, and what training needs."""

    latent: Tensor
    """(..., D) entries of the codebook; gradients pass straight through to the encoder."""
    index: Tensor
    """(...) int64."""
    loss: Tensor
    """Scalar |e - sg z|^2 + beta |sg e - z|^2, means over all elements."""
    perplexity: Tensor
    """Scalar exp(-sum p ln p): how many codes are in use, 1 to the size of the codebook."""


class VectorQuantizer(nn.Module):
    """A codebook of `codes` entries of `width` channels.

    >>> quantizer = VectorQuantizer(codes=4, width=3)
    >>> quantised = quantizer(torch.zeros(2, 5, 3))
    >>> quantised.latent.shape, quantised.index.shape
    (torch.Size([2, 5, 3]), torch.Size([2, 5]))
    """

    def __init__(self, codes: int, width: int, commitment: float = 1.0):
        super().__init__()
        self.commitment = commitment
        self.embedding = nn.Embedding(codes, width)
        nn.init.uniform_(self.embedding.weight, -1 / codes, 1 / codes)

    def distances(self, z: Tensor) -> Tensor:
        """(..., D) -> (..., codes) squared Euclidean distances |z|^2 + |e|^2 - 2 z e."""
        e = self.embedding.weight
        return z.square().sum(-1, keepdim=True) + e.square().sum(-1) - 2 * z @ e.T

    def indices(self, z: Tensor) -> Tensor:
        """(..., D) -> (...): the nearest code, the first one of equals."""
        return self.distances(z).argmin(-1)

    def codes(self, index: Tensor) -> Tensor:
        """(...) -> (..., D)."""
        return self.embedding(index)

    def snapped(self, z: Tensor) -> Tensor:
        """(..., D) -> (..., D): the nearest entry of the codebook."""
        return self.codes(self.indices(z))

    def forward(self, z: Tensor) -> Quantised:
        index = self.indices(z)
        e = self.codes(index)
        loss = (e - z.detach()).square().mean() + self.commitment * (e.detach() - z).square().mean()
        return Quantised(z + (e - z).detach(), index, loss, self._perplexity(index))

    def _perplexity(self, index: Tensor) -> Tensor:
        p = torch.bincount(index.flatten(), minlength=len(self.embedding.weight)) / index.numel()
        return torch.exp(-(p * torch.log(p + 1e-10)).sum())
