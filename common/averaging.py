"""A moving average of weights over the steps of a training; it generalises as a training with a smaller rate would."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class MovingAverage:
    """a <- d a + (1 - d) w after every step, from the initial weights on.

    d = min(decay, (1 + n) / (10 + n)) at step n = 0, 1, ...: early weights, which are not worth remembering, are soon
    forgotten. float32, whatever the precision of the training.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float):
        self._parameters, self._decay, self._steps = parameters, decay, 0
        self._values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self) -> None:
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        for value, parameter in zip(self._values, self._parameters, strict=True):
            value.lerp_(parameter, 1 - decay)
        self._steps += 1

    @torch.no_grad()
    def take_over(self) -> None:
        """Put the average in place of the weights."""
        for value, parameter in zip(self._values, self._parameters, strict=True):
            parameter.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps, "values": self._values}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps = state["steps"]
        for value, stored in zip(self._values, state["values"], strict=True):
            value.copy_(stored)
