"""Ancestral sampling (Ho et al. 2020) for networks that predict x0: the Gaussian that a step draws from."""

import math
from typing import NamedTuple

from torch import Tensor

from gesturebench.common.diffusion.schedule import Schedule


class Moments(NamedTuple):
    """Mean, as a tensor, and variance of q(x_(i-1) | x_i, x0)."""

    mean: Tensor
    variance: float

    @property
    def log_variance(self) -> float:
        return math.log(self.variance)


def posterior_shares(schedule: Schedule, index: int) -> tuple[float, float]:
    """What x0 and x_i have in the mean of q(x_(i-1) | x_i, x0): sqrt(a') beta / (1 - a) and
    sqrt(1 - beta) (1 - a') / (1 - a), with a = alpha_bar and a' one step cleaner (eq. 7)."""
    beta, cleaner, rest = float(schedule.betas[index]), schedule.previous(index), 1.0 - float(schedule.alpha_bar[index])
    return math.sqrt(cleaner) * beta / rest, math.sqrt(1.0 - beta) * (1.0 - cleaner) / rest


def posterior(x: Tensor, x0: Tensor, schedule: Schedule, index: int) -> Moments:
    """Mean by `posterior_shares`. The variance is beta (`fixed_large`), at the cleanest step the true posterior's of
    the step before: there beta alone would be far too small.
    """
    betas, (of_x0, of_x) = schedule.betas, posterior_shares(schedule, index)
    first = float(betas[1]) * (1.0 - schedule.previous(1)) / (1.0 - float(schedule.alpha_bar[1]))
    return Moments(of_x0 * x0 + of_x * x, float(betas[index]) if index else first)
