"""The diffusion of DiffuseStyleGesture: cosine schedule, networks that predict x0, ancestral or deterministic sampling,
and motion that is known (Nichol & Dhariwal 2021; Tevet et al. 2023).
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.ddpm import posterior_shares
from gesturebench.common.diffusion.schedule import Schedule

STEPS = 1000
LARGEST_BETA = 0.999

Sampler = Literal["ddpm", "ddim"]
"""`ddpm`: noise is added at every step but the last, as published; `ddim`: none is, and fewer steps suffice."""

Impose = Literal["none", "every", "last"]
"""When what is known overwrites the predicted motion: never, at every step (inpainting), or in the result alone."""

Noise = Callable[[int], Tensor]
"""Index into the schedule -> the standard normal numbers of that step."""


def cosine_betas(steps: int = STEPS) -> np.ndarray:
    """(steps,) beta_i = min(1 - a((i + 1) / steps) / a(i / steps), 0.999) with
    a(t) = cos^2((t + 0.008) / 1.008 pi / 2)."""
    level = [math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(steps + 1)]
    return np.array([min(1 - after / before, LARGEST_BETA) for before, after in pairwise(level)])


def cosine_schedule(count: int = STEPS) -> Schedule:
    """`count` evenly spread timesteps out of the 1000 of training."""
    return Schedule.respaced([count], cosine_betas())


def posterior_variance(schedule: Schedule, index: int) -> float:
    """beta (1 - alpha_bar') / (1 - alpha_bar), that of q(x_(i-1) | x_i, x0); 0 at the cleanest step."""
    return float(schedule.betas[index]) * (1.0 - schedule.previous(index)) / (1.0 - float(schedule.alpha_bar[index]))


def posterior_log_variance(schedule: Schedule, index: int) -> float:
    """Its logarithm; at the cleanest step that of the step above, as it has none."""
    return math.log(posterior_variance(schedule, max(index, 1)))


class Step(NamedTuple):
    """x_(i-1) = of_x0 x0 + of_x x_i + deviation * noise."""

    of_x0: float
    of_x: float
    deviation: float


def ancestral_step(schedule: Schedule, index: int) -> Step:
    """A draw from q(x_(i-1) | x_i, x0), without noise at the cleanest step (Ho et al. 2020, algorithm 2)."""
    deviation = math.exp(0.5 * posterior_log_variance(schedule, index)) if index else 0.0
    return Step(*posterior_shares(schedule, index), deviation)


def deterministic_step(schedule: Schedule, index: int) -> Step:
    """sqrt(a') x0 + sqrt(1 - a') eps with eps = (x - sqrt(a) x0) / sqrt(1 - a), where a = alpha_bar and a' that of one
    step cleaner (Song et al. 2021, eq. 12, eta 0)."""
    level, cleaner = float(schedule.alpha_bar[index]), schedule.previous(index)
    of_x = math.sqrt((1.0 - cleaner) / (1.0 - level))
    return Step(math.sqrt(cleaner) - of_x * math.sqrt(level), of_x, 0.0)


STEP: dict[Sampler, Callable[[Schedule, int], Step]] = {"ddpm": ancestral_step, "ddim": deterministic_step}


def sample(
    predict: Predict,
    noise: Tensor,
    schedule: Schedule,
    sampler: Sampler,
    noise_of: Noise,
    *,
    after_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Noise to data by the sampler of that name. `after_step(index)` observes."""
    x = noise
    for index in reversed(range(len(schedule))):
        step = STEP[sampler](schedule, index)
        moved = (step.of_x0 * predict(x, index)).add_(x, alpha=step.of_x)
        x = moved.add_(noise_of(index), alpha=step.deviation) if step.deviation else moved
        if after_step is not None:
            after_step(index)
    return x


def imposed(predict: Predict, known: Tensor, mask: Tensor, when: Impose = "every") -> Predict:
    """`predict` whose x0 is `known` where `mask` (bool) is true. x itself is not noised anew there: with `every` the
    network sees a motion that comes closer to what is known from step to step; the result equals it."""
    if when == "none":
        return predict

    def edited(x: Tensor, index: int) -> Tensor:
        x0 = predict(x, index)
        return torch.where(mask, known, x0) if when == "every" or index == 0 else x0

    return edited


class Draws:
    """Standard normal numbers for a batch, each row from a generator of its own, so that a sample does not depend on
    the others. They are asked for in the order of the steps."""

    def __init__(self, generators: list[torch.Generator], shape: tuple[int, ...], device: torch.device | str = "cpu"):
        self._generators, self._shape, self._device = generators, shape, device

    def __call__(self, index: int = 0) -> Tensor:
        """(B, *shape)."""
        rows = torch.empty(len(self._generators), *self._shape)
        for row, generator in zip(rows, self._generators, strict=True):
            torch.randn(self._shape, generator=generator, out=row)
        return rows.to(self._device)
