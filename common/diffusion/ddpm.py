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


def posterior(x: Tensor, x0: Tensor, schedule: Schedule, index: int) -> Moments:
    """Mean sqrt(a') beta / (1 - a) x0 + sqrt(1 - beta) (1 - a') / (1 - a) x, with a = alpha_bar and a' one step cleaner
    (eq. 7).

    The variance is beta (`fixed_large`), at the cleanest step the true posterior's of the step before: there beta alone
    would be far too small.
    """
    betas, cleaner = schedule.betas, schedule.previous(index)
    beta, rest = float(betas[index]), 1.0 - float(schedule.alpha_bar[index])
    mean = math.sqrt(cleaner) * beta / rest * x0 + math.sqrt(1.0 - beta) * (1.0 - cleaner) / rest * x
    first = float(betas[1]) * (1.0 - schedule.previous(1)) / (1.0 - float(schedule.alpha_bar[1]))
    return Moments(mean, beta if index else first)
