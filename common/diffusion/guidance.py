"""Steering a sample: classifier-free mixing, insertion guidance towards a stored latent and how often each step gets
it, and overwriting with known latents.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gesturebench.common.diffusion.schedule import add_noise
from gesturebench.common.errors import unknown_name

ITERATIONS: dict[str, Callable[[int, int], int]] = {
    "all_one": lambda i, steps: 1,
    "all_zero": lambda i, steps: 0,
    "all_10": lambda i, steps: 10,
    "decreasing": lambda i, steps: i,
    "increasing": lambda i, steps: steps - 1 - i,
    "drop_decreasing_till_25": lambda i, steps: i if i >= steps // 2 else 0,
    "step_increasing_from_25": lambda i, steps: steps - 1 - i if i < steps // 2 else 0,
    "decreasing_till_25": lambda i, steps: i - steps // 2 if i >= steps // 2 else 0,
    "increasing_from_25": lambda i, steps: steps // 2 - 1 - i if i < steps // 2 else 0,
}
"""Guidance updates at diffusion index i of `steps` (index 0 is the cleanest). The names count for the published 50
steps.
"""


def iterations(schedule: str, steps: int = 50) -> list[int]:
    """Updates per diffusion index; the noisiest one is never steered.

    >>> sum(iterations("decreasing_till_25"))
    276
    """
    if schedule not in ITERATIONS:
        raise unknown_name("guidance schedule", schedule, ITERATIONS)
    return [ITERATIONS[schedule](i, steps) for i in range(steps - 1)] + [0]


def insert(x: Tensor, target: Tensor, mask: Tensor, count: int, lr: float) -> Tensor:
    """`count` gradient steps on the sum of squared differences |mask (x - target)|^2, in closed form.

    x <- x - 2 lr (x - target) contracts the gap by 1 - 2 lr each time, so x = target + (x - target) (1 - 2 lr)^count
    where mask is 1. (Mughal et al. 2025, sec. 3.4; the released loop is inert: its result is overwritten.)
    """
    if count == 0:
        return x
    return torch.where(mask, target + (x - target) * (1 - 2 * lr) ** count, x)


def coarse_to_fine_weights(timestep: int, *, coarse: float, late: tuple[float, float]) -> tuple[float, float]:
    """Factors of the conditional and unconditional prediction at an original timestep (0 to 999).

    Early (t > 100): w and 1 - w with w = coarse * t / 1000 + 1; late: `late`. The released code writes this as four
    coefficients and a coin whose two sides are numerically equal; the two numbers here are all that acts.
    """
    if timestep > 100:
        w = coarse * timestep / 1000 + 1
        return w, 1 - w
    return late


def mixed(
    conditional: Tensor, unconditional: Tensor, weights: tuple[float, float], scale: Tensor | None = None
) -> Tensor:
    """Classifier-free mix w cond J + (1 - w) uncond / J; `scale` J broadcasts against both, None stands for ones."""
    if scale is not None:
        conditional, unconditional = conditional * scale, unconditional / scale
    return weights[0] * conditional + weights[1] * unconditional


def overwrite(x: Tensor, latents: Tensor, mask: Tensor, noise: Tensor, alpha_bar: float) -> Tensor:
    """Outpainting (Lugmayr et al. 2022): where mask is 1, x becomes `latents` noised to the level alpha_bar."""
    noised = add_noise(latents, noise, alpha_bar)
    return torch.where(mask.to(x.device), noised.to(x.device), x)
