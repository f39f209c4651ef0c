"""Losses that pull a speech to its own motion and push it from others. Legend: B pairs, D dimensions."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, pairwise_distance, relu


def margin_losses(speech_BD: Tensor, motion_BD: Tensor, shift: int, margin: float = 10.0) -> dict[str, Tensor]:
    """Guo et al. 2022: the mean of d^2 over pairs, and of max(0, margin - d)^2 over pairs with the motion `shift` rows
    further, d the Euclidean distance (1e-6 is added to every difference, as in PyTorch's own).

    A shift of 0 would push pairs apart; released code draws it from 0 to B - 2, `drawn_shift` does not.
    """
    if shift % len(motion_BD) == 0:
        raise ValueError(f"a shift of {shift} rows of {len(motion_BD)} makes negatives of the true pairs")
    return losses_of_pairs(speech_BD, motion_BD, motion_BD.roll(-shift, 0), margin)


def losses_of_pairs(speech_BD: Tensor, motion_BD: Tensor, other_BD: Tensor, margin: float) -> dict[str, Tensor]:
    """The same for given motions of other speeches."""
    own, other = pairwise_distance(speech_BD, motion_BD), pairwise_distance(speech_BD, other_BD)
    losses = {"matched": own.square().mean(), "mismatched": relu(margin - other).square().mean()}
    return {"loss": losses["matched"] + losses["mismatched"], **losses}


def drawn_shift(rows: int, generator: torch.Generator) -> int:
    """From 1 to rows - 1, equally likely."""
    return int(torch.randint(1, rows, (), generator=generator))


def infonce_losses(speech_BD: Tensor, motion_BD: Tensor, temperature: float = 0.1) -> dict[str, Tensor]:
    """Mean of both cross-entropies of softmax(cos / temperature): which motion belongs to a speech, which speech to a
    motion (van den Oord et al. 2018; Radford et al. 2021)."""
    logits = normalize(speech_BD, dim=-1) @ normalize(motion_BD, dim=-1).T / temperature
    own = torch.arange(len(logits), device=logits.device)
    losses = {"of_motion": cross_entropy(logits, own), "of_speech": cross_entropy(logits.T, own)}
    return {"loss": (losses["of_motion"] + losses["of_speech"]) / 2, **losses}
