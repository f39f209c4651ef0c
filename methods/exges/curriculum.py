"""How much of a window is given in training: much at first, little at the end (ExGes, sec. 3.3: "90 % to 3 %")."""

from torch import Tensor

from gesturebench.methods.exges.config import ControlConfig


def observed_rate(progress: Tensor, config: ControlConfig) -> Tensor:
    """The rate r of observed entries where the share `progress` of the training is done, element by element.

    `exponential`: r = r0 (r1 / r0)^p, with r0 `first_rate` and r1 `last_rate`; `linear`: r = r0 + (r1 - r0) p; `off`:
    r1 from the first step on.

    >>> import torch
    >>> from gesturebench.methods.exges.config import ControlConfig
    >>> observed_rate(torch.tensor([0.0, 0.5, 1.0]), ControlConfig()).mul(100).round().tolist()
    [90.0, 16.0, 3.0]
    """
    first, last = config.first_rate, config.last_rate
    if config.curriculum == "exponential":
        return first * (last / first) ** progress
    if config.curriculum == "linear":
        return first + (last - first) * progress
    return last * progress.new_ones(progress.shape)
