"""Align before fuse (Li et al. 2021): contrast with queues of momentum features, soft targets, hard negatives.

Two modalities, a and b; in ExGes a is sound and b is motion (in ALBEF: image and text). Legend: B pairs of a batch,
O pairs in the queues, C = B + O candidates, J dimensions. All features are unit vectors.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, normalize, softmax

NOBODY = -100
"""The id of a place in the queue that no pair has taken yet."""
TEMPERATURES = 0.001, 0.5
"""To where the learnt temperature is clamped."""
LEAST_WEIGHT = 1e-4
"""Added to the weights of negatives so that some can always be drawn. The released retrieval code adds it to the
logits, where it changes nothing."""


class Queues(nn.Module):
    """The O last momentum features of both modalities with the ids of their pairs; random unit vectors at first."""

    def __init__(self, size: int, dim: int):
        super().__init__()
        self.register_buffer("a", normalize(torch.randn(size, dim), dim=-1))
        self.register_buffer("b", normalize(torch.randn(size, dim), dim=-1))
        self.register_buffer("ids", torch.full((size,), NOBODY, dtype=torch.int64))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def enqueue(self, a_BJ: Tensor, b_BJ: Tensor, ids_B: Tensor) -> None:
        """Put pairs in place of the oldest ones."""
        size = len(self.ids)
        places = (self.pointer + torch.arange(len(ids_B), device=ids_B.device)) % size
        for queue, rows in ((self.a, a_BJ), (self.b, b_BJ), (self.ids, ids_B)):
            queue.index_copy_(0, places[-size:], rows[-size:].to(queue.dtype))
        self.pointer.add_(len(ids_B)).remainder_(size)


@torch.no_grad()
def momentum_update(teacher: Iterable[Tensor], online: Iterable[Tensor], momentum: float) -> None:
    """theta_m <- m theta_m + (1 - m) theta."""
    torch._foreach_lerp_(list(teacher), list(online), 1 - momentum)


def hard_targets(ids_B: Tensor, ids_C: Tensor) -> Tensor:
    """(B, C): the candidates with the same id share the mass of a row; a queued copy of the own pair is a positive.

    >>> hard_targets(torch.tensor([7, 8]), torch.tensor([7, 8, 7])).tolist()
    [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]
    """
    same = (ids_B[:, None] == ids_C).float()
    return same / same.sum(1, keepdim=True)


class Contrast(NamedTuple):
    """`ita` the contrastive loss with soft targets; `a_to_b`, `b_to_a` (B, B) similarities over temperature of online
    features with the batch's momentum features, from which negatives are drawn; `distance` the mean Kullback-Leibler
    divergence of the student from the teacher."""

    ita: Tensor
    a_to_b: Tensor
    b_to_a: Tensor
    distance: Tensor


def contrast(
    online: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    queues: Queues,
    ids_B: Tensor,
    temperature: Tensor,
    alpha: float | Tensor,
) -> Contrast:
    """Half the sum of the cross-entropies a -> b and b -> a of softmax(f c / tau) over all candidates c, with targets
    alpha softmax(teacher) + (1 - alpha) hard (Li et al. 2021, eq. 1-2 and 6-7; Zhou et al. 2025, eq. 2-4 and 6).

    `online` and `teacher` are (a, b), each (B, J). Gradients go to the online features and the temperature.
    """
    (a, b), (a_m, b_m), batch = online, teacher, len(ids_B)
    hard = hard_targets(ids_B, torch.cat((ids_B, queues.ids)))
    losses, logits, distances = [], [], []
    for asking, asking_m, found_m, queue in ((a, a_m, b_m, queues.b), (b, b_m, a_m, queues.a)):
        candidates = torch.cat((found_m, queue.to(found_m.dtype))).detach()
        own = asking @ candidates.T / temperature
        with torch.no_grad():
            soft = softmax(asking_m @ candidates.T / temperature, dim=1)
            targets = alpha * soft + (1 - alpha) * hard
        own_log = log_softmax(own, dim=1)
        losses.append(-(targets * own_log).sum(1).mean())
        distances.append((soft * (soft.clamp_min(1e-12).log() - own_log.detach())).sum(1).mean())
        logits.append(own[:, :batch].detach())
    return Contrast(sum(losses) / 2, *logits, sum(distances) / 2)


def negative_weights(logits_BB: Tensor, forbidden_BB: Tensor, *, least: float = LEAST_WEIGHT) -> Tensor:
    """(B, B) weights with which row i draws its negative: softmax of its similarities, 0 where forbidden."""
    return (softmax(logits_BB, dim=1) + least).masked_fill(forbidden_BB, 0.0)


def drawn(weights_BB: Tensor, coins_B: Tensor) -> Tensor:
    """(B,) an index per row, drawn in proportion to its weights with uniform `coins` in [0, 1).

    >>> drawn(torch.tensor([[0.0, 1.0, 3.0]]), torch.tensor([0.5])).tolist()
    [2]
    """
    sums = weights_BB.cumsum(1)
    return torch.searchsorted(sums, coins_B[:, None] * sums[:, -1:], right=True)[:, 0].clamp(max=len(weights_BB[0]) - 1)


class Pairs(NamedTuple):
    """Rows `a` and `b` (3B,) of a batch that are judged together, and the truth (3B,): 1 is a match. First the B true
    pairs, then own b with a negative a, then negative b with own a."""

    a: Tensor
    b: Tensor
    labels: Tensor


def pairs_to_judge(negative_a_B: Tensor, negative_b_B: Tensor) -> Pairs:
    """`negative_a` (B,) is drawn for the b of each pair, `negative_b` (B,) for its a."""
    own = torch.arange(len(negative_a_B), device=negative_a_B.device)
    labels = torch.cat((torch.ones_like(own), torch.zeros_like(own), torch.zeros_like(own)))
    return Pairs(torch.cat((own, negative_a_B, own)), torch.cat((own, own, negative_b_B)), labels)


def matching_loss(logits_P2: Tensor, labels_P: Tensor, is_judged_P: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the pairs that are judged."""
    losses = cross_entropy(logits_P2, labels_P, reduction="none")
    return losses.mean() if is_judged_P is None else (losses * is_judged_P).sum() / is_judged_P.sum()


def total_loss(ita: Tensor, itm: Tensor, alpha: float | Tensor, kind: Literal["albef", "literal"]) -> Tensor:
    """`albef`: ita (which has alpha in its targets) + itm. `literal`: alpha ita + (1 - alpha) itm, Zhou et al. 2025,
    eq. 7, with ita of alpha 1 (its eq. 6)."""
    return ita + itm if kind == "albef" else alpha * ita + (1 - alpha) * itm
