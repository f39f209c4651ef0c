"""The criterion of a mixture search: a Fréchet distance that has derivatives, and is finite for few samples.

Legend: N samples, D width of an embedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Reference:
    """Gaussian of the true motions: mean (D,), covariance S1 + ridge I (D, D), its root, and the ridge; float64."""

    mean: Tensor
    covariance: Tensor
    root: Tensor
    ridge: float

    @classmethod
    def of(cls, embeddings_ND: Tensor, ridge: float) -> "Reference":
        """`ridge` in shares of the mean variance of the embeddings."""
        mean, covariance = gaussian(embeddings_ND)
        added = ridge * float(covariance.diagonal().mean())
        covariance = covariance + added * torch.eye(len(mean), dtype=torch.float64, device=mean.device)
        values, vectors = torch.linalg.eigh(covariance)
        root = (vectors * values.clamp_min(0).sqrt()) @ vectors.mT
        return cls(mean, covariance, root, added)


def gaussian(embeddings_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and unbiased covariance (D, D) in float64."""
    x = embeddings_ND.double()
    mean = x.mean(0)
    centred = x - mean
    return mean, centred.mT @ centred / (len(x) - 1)


def distance(reference: Reference, embeddings_ND: Tensor) -> Tensor:
    """|mu1 - mu2|^2 + tr S1 + tr S2 - 2 tr (S1^(1/2) S2 S1^(1/2))^(1/2), with ridge I added to both covariances.

    The trace of the root is the sum of the roots of eigenvalues, whose derivative exists however many of them are
    equal; the ridge keeps them from zero, where that of the root does not. Not finite embeddings are infinitely far.
    """
    if not torch.isfinite(embeddings_ND).all():
        return torch.full((), torch.inf, dtype=torch.float64)
    mean, covariance = gaussian(embeddings_ND)
    covariance = covariance + reference.ridge * torch.eye(len(mean), dtype=torch.float64, device=mean.device)
    eigenvalues = torch.linalg.eigvalsh(reference.root @ covariance @ reference.root)
    shift = mean - reference.mean
    traces = reference.covariance.diagonal().sum() + covariance.diagonal().sum()
    return shift @ shift + traces - 2 * eigenvalues.clamp_min(0).sqrt().sum()
