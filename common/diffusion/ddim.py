"""Deterministic DDIM (Song et al. 2021) for networks that predict x0: sampling and inversion.

Both are loops over `predict(x, index) -> x0`; what happens between steps (insertion, guidance, outpainting) is a
`before_step` function, so the loops know nothing of conditions, guidance or retrieval.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gesturebench.common.diffusion.schedule import Schedule

Predict = Callable[[Tensor, int], Tensor]
"""(x, index into the schedule) -> predicted x0."""


def predicted_noise(x: Tensor, x0: Tensor, alpha_bar: float) -> Tensor:
    """eps = (sqrt(1 / alpha_bar) x - x0) / sqrt(1 / alpha_bar - 1)."""
    inverse = torch.tensor(1 / alpha_bar, dtype=torch.float64)
    return (inverse.sqrt().to(x.dtype) * x - x0) / (inverse - 1).sqrt().to(x.dtype)


def move(x: Tensor, x0: Tensor, alpha_bar: float, target: float) -> Tensor:
    """From noise level alpha_bar to `target` along the predicted noise: sqrt(target) x0 + sqrt(1 - target) eps (eq. 12,
    eta = 0).
    """
    level = torch.tensor(target, dtype=torch.float64)
    eps = predicted_noise(x, x0, alpha_bar)
    return level.sqrt().to(x.dtype) * x0 + (1 - level).sqrt().to(x.dtype) * eps


def sample(
    predict: Predict,
    noise: Tensor,
    schedule: Schedule,
    *,
    before_step: Predict | None = None,
    after_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Noise to data. `before_step(x, index)` may change x before the network sees it; `after_step(index)` observes."""
    x = noise
    for index in reversed(range(len(schedule))):
        if before_step is not None:
            x = before_step(x, index)
        x = move(x, predict(x, index), float(schedule.alpha_bar[index]), schedule.previous(index))
        if after_step is not None:
            after_step(index)
    return x


def invert(predict: Predict, x0: Tensor, schedule: Schedule) -> Tensor:
    """Data to noise, (S, *x0.shape): entry i lies one noise level above timestep i, the last one is pure predicted
    noise.
    """
    x, levels = x0, []
    for index in range(len(schedule)):
        x = move(x, predict(x, index), float(schedule.alpha_bar[index]), schedule.next(index))
        levels.append(x)
    return torch.stack(levels)
