"""From losses to new weights: precision, gradients of the parts of a batch and of all processes, clipping, optimiser,
learning rate, moving average.
"""

import contextlib
from collections.abc import Callable, Mapping
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn

from gesturebench.common.averaging import MovingAverage
from gesturebench.common.budget import Training
from gesturebench.common.distributed import Ranks

Losses = Mapping[str, Tensor]
"""Named scalar losses, means over the rows; the entry `loss` is what is minimised."""

Batch = Mapping[str, Tensor]
"""Everything that is drawn for a step, by name; the first dimension of each is that of the rows (windows)."""

LossesOf = Callable[[Batch], Losses]

_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
_REDUCED = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Optimisation:
    """A model with everything that changes it, all of which a checkpoint holds.

    A step is `clear`, `backward` for each part of the batch, `step`. In float16 a step whose gradients overflow is
    skipped (`skipped` counts them) and the scale of the loss is halved.
    """

    def __init__(self, model: nn.Module, config: Training, ranks: Ranks):
        self.model, self.config, self.skipped, self._ranks = model, config, 0, ranks
        ranks.start_alike(model.state_dict().values())
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.device = self.parameters[0].device if self.parameters else torch.device("cpu")
        self._optimizer = _OPTIMIZERS[config.optimizer](
            self.parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay
        )
        self._schedule = _schedule(self._optimizer, config)
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self._average = MovingAverage(self.parameters, config.ema) if config.ema is not None else None

    def clear(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def backward(self, losses_of: LossesOf, part: Batch) -> dict[str, Tensor]:
        """Add the gradient of one of `accumulate` equal parts of a batch; returns what its losses add to their
        means."""
        with self._precision():
            losses = losses_of({name: rows.to(self.device) for name, rows in part.items()})
        self._scaler.scale(losses["loss"] / self.config.accumulate).backward()
        return {name: value.detach() / self.config.accumulate for name, value in losses.items()}

    def _precision(self) -> contextlib.AbstractContextManager:
        reduced = _REDUCED.get(self.config.precision)
        return contextlib.nullcontext() if reduced is None else torch.autocast(self.device.type, reduced)

    def step(self) -> None:
        """Change the weights by the mean gradient over processes: what overflowed in one overflows in all."""
        self._ranks.average_gradients(self.parameters)
        self._scaler.unscale_(self._optimizer)
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        scale = self._scaler.get_scale()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._scaler.get_scale() < scale:
            self.skipped += 1
            return
        self._schedule.step()
        if self._average is not None:
            self._average.update()

    def finish(self) -> None:
        """Leave the result in the model, on the CPU and in eval mode."""
        if self._average is not None:
            self._average.take_over()
        self.model.cpu().eval()

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped, **{name: part.state_dict() for name, part in self._stateful().items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.skipped = state["skipped"]
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])

    def _stateful(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self._optimizer, "schedule": self._schedule, "scaler": self._scaler}
        return parts if self._average is None else {**parts, "average": self._average}


def _schedule(optimizer: torch.optim.Optimizer, config: Training) -> torch.optim.lr_scheduler.LRScheduler:
    """Of the learning rate, counted in steps."""
    over = max(1, config.decay_steps or config.steps)
    if config.warmup:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, over, config))
    if config.decay == "step":
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, [over], gamma=config.final_lr)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, over, eta_min=config.lr * config.final_lr)


def _share(step: int, over: int, config: Training) -> float:
    """Of the learning rate that `lr` names, after some steps of a training that warms up."""
    if config.decay == "step":
        decayed = config.final_lr if step >= over else 1.0
    else:
        decayed = config.final_lr + (1 - config.final_lr) * (1 + cos(pi * min(step, over) / over)) / 2
    risen = min(1.0, step / config.warmup)
    return config.final_lr + risen * (decayed - config.final_lr)
