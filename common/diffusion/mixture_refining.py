"""Second stage of a mixture search: w1, w2, w3 of the last steps, learned against the Fréchet distance with the network
frozen (Zhang et al. 2023, sec. 3.4).

Three numbers are learned, so nothing is differentiated backwards through the network. The embeddings e (N, D) of the
samples are a function of theta = (w1, w2, w3); their slopes J = de / dtheta come from six more samplings of the last
steps, and Adam descends on the distance of e + J (theta - theta_0), whose derivative is exact. After `linear_steps`
steps e and J are taken anew: with 1 this is gradient descent through the sampler. Memory is that of one sampling and of
J, whatever the number of steps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.diffusion.mixture import Triple
from gesturebench.common.diffusion.mixture_search_config import MixtureSearchConfig
from gesturebench.common.progress import Progress, silent

Embeddings = Callable[[Sequence[float]], Tensor]
"""Weights of both, text and retr -> embeddings (N, D) of the samples that end with them."""

BETAS, EPS = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Refinement:
    """Where a refinement stands: all that a continued one needs. `measured` holds (step, weights, distance) of every
    point that was really sampled."""

    theta: Triple
    mean: Triple = (0.0, 0.0, 0.0)
    square: Triple = (0.0, 0.0, 0.0)
    step: int = 0
    measured: tuple[tuple[int, Triple, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Refinement":
        measured = tuple((step, tuple(theta), distance) for step, theta, distance in values["measured"])
        triples = {name: tuple(values[name]) for name in ("theta", "mean", "square")}
        return cls(**triples, step=values["step"], measured=measured)

    @property
    def best(self) -> tuple[Triple, float]:
        """Of the points that were sampled the one nearest to the training split, and its distance."""
        _, theta, distance = min(self.measured, key=lambda found: (found[2], found[0]))
        return theta, distance


def refine(
    embeddings: Embeddings,
    distance: Callable[[Tensor], Tensor],
    begun: Refinement,
    config: MixtureSearchConfig,
    remember: Callable[[Refinement], None] = lambda state: None,
    progress: Progress = silent,
) -> Refinement:
    """From `begun` to `config.steps` steps of Adam, fewer if they lead to where samples are not finite; `remember` is
    called whenever new slopes are due.
    """
    state = begun
    while state.step < config.steps:
        here = embeddings(state.theta)
        state = _measured(state, float(distance(here)))
        if not math.isfinite(state.measured[-1][-1]):
            return state
        slopes = _slopes(embeddings, state.theta, config.difference)
        state = _descended(state, here, slopes, distance, config)
        remember(state)
        progress(state.step, config.steps)
    return _measured(state, float(distance(embeddings(state.theta))))


def _measured(state: Refinement, distance: float) -> Refinement:
    return replace(state, measured=(*state.measured, (state.step, state.theta, distance)))


def _slopes(embeddings: Embeddings, theta: Triple, half: float) -> Tensor:
    """J (3, N, D): (e(theta + h u_i) - e(theta - h u_i)) / 2h along each weight."""
    rows = []
    for axis in range(3):
        ahead, behind = ([w + sign * half * (k == axis) for k, w in enumerate(theta)] for sign in (1, -1))
        rows.append((embeddings(ahead).double() - embeddings(behind).double()) / (2 * half))
    return torch.stack(rows)


def _descended(
    state: Refinement,
    here_ND: Tensor,
    slopes_3ND: Tensor,
    distance: Callable[[Tensor], Tensor],
    config: MixtureSearchConfig,
) -> Refinement:
    """`linear_steps` steps of Adam (Kingma and Ba 2015, algorithm 1) on embeddings that are linear in theta."""
    here = here_ND.double()
    triples = state.theta, state.mean, state.square
    theta, mean, square = (torch.tensor(triple, dtype=torch.float64, device=here.device) for triple in triples)
    origin = theta.clone()
    last = min(state.step + config.linear_steps, config.steps)
    for step in range(state.step + 1, last + 1):
        theta = theta.requires_grad_(True)
        moved = here + torch.einsum("k,knd->nd", theta - origin, slopes_3ND)
        (g,) = torch.autograd.grad(distance(moved), theta)
        mean = BETAS[0] * mean + (1 - BETAS[0]) * g
        square = BETAS[1] * square + (1 - BETAS[1]) * g.square()
        change = mean / (1 - BETAS[0] ** step) / ((square / (1 - BETAS[1] ** step)).sqrt() + EPS)
        theta = torch.clamp(theta.detach() - config.lr * change, origin - config.reach, origin + config.reach)
    theta, mean, square = (tuple(v.tolist()) for v in (theta, mean, square))
    return replace(state, theta=theta, mean=mean, square=square, step=last)
