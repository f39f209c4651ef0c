"""The one training loop: steps, not seconds; resumed from a checkpoint it ends in the same bits as if it had never
stopped.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gesturebench.common.budget import Training
from gesturebench.common.device import device
from gesturebench.common.distributed import Ranks, joined
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.common.fitting import CURVE, FitContext
from gesturebench.common.progress import Progress, Stopped
from gesturebench.common.resuming import load_checkpoint, save_checkpoint
from gesturebench.common.seeds import seed_of, torch_generator

TRAINING = "training.json"
"""What a training took, in its artifact beside the curve: `{"steps", "batch", "processes", "device",
"seconds_per_step", "peak_memory_mb"}`. These differ from run to run, the curve does not."""

LOG_EVERY = 10

Losses = Mapping[str, Tensor]
"""Named scalar losses, means over the rows; the entry `loss` is what is minimised."""

LossesOf = Callable[[int, torch.Generator], Losses]
"""The losses of that many rows (windows), drawn with the generator."""

Curve = list[dict[str, float]]


def train(
    model: nn.Module, losses_of: LossesOf, config: Training, *, seed_axes: tuple[object, ...], context: FitContext
) -> Curve:
    """Minimise `losses_of(rows, generator)["loss"]`; returns the curve, one row of named losses per logged step, and
    leaves it in `context.out`.

    Every step draws from its own generator, seeded by (`seed_axes`, step): batches, noise and dropout choices of a step
    do not depend on what ran before it, so a run that was killed or stopped and resumed from its checkpoint in
    `context.work` is bit-equal to one that was not. The model is trained on `device()` and ends on the CPU.

    Each of several processes draws its part of the batch with seeds of its own and sees the mean gradient; losses are
    means over processes. If the progress of any raises `Stopped`, all stop after the same step and the first one saves.
    """
    config = config.divided(context.batch_divisor)
    ranks = joined(config.processes)
    run = _Run(model.to(device()), config, ranks, context)
    model.train()
    for step in range(run.done, config.steps):
        axes = (*seed_axes, step, *ranks.axes)
        with torch.random.fork_rng(devices=run.gpus):  # dropout draws from the global generators: seed them for a step
            torch.manual_seed(seed_of("dropout", *axes))
            losses = losses_of(config.rows, torch_generator("step", *axes))
            run.optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
        ranks.average_gradients(run.parameters)
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(run.parameters, config.clip_norm)
        run.optimizer.step()
        run.schedule.step()
        run.done = step + 1
        if run.done % LOG_EVERY == 0 or run.done == config.steps:
            run.log(losses)
        stop = ranks.any(_is_asked_to_stop(context.progress, run.done, config.steps))
        if stop or run.is_time_to_save():
            run.save()
        if stop:
            raise Stopped
    model.cpu().eval()
    write_json(context.out / CURVE, run.curve)
    write_json(context.out / TRAINING, run.summary())
    return run.curve


def _is_asked_to_stop(progress: Progress, done: int, total: int) -> bool:
    try:
        progress(done, total)
    except Stopped:
        return True
    return False


class _Run:
    """Everything of a training that changes, and its way to and from a checkpoint."""

    def __init__(self, model: nn.Module, config: Training, ranks: Ranks, context: FitContext):
        self.model, self.config, self.ranks, self.work = model, config, ranks, context.work
        self.gpus = [p.device for p in model.parameters() if p.device.type == "cuda"][:1]
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.lr)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, max(1, config.steps), eta_min=config.lr * config.final_lr
        )
        self.done, self.curve, self._seconds_before = 0, [], 0.0
        self._began = self._saved = time.monotonic()
        self._draws = {"batch": config.batch, "processes": config.processes}
        state = ranks.of_first(load_checkpoint(self.work, self._draws) if ranks.is_first else None)
        if state is not None:
            self._restore(state)
        ranks.start_alike(model.state_dict().values())

    def log(self, losses: Losses) -> None:
        """A row of the curve; a loss that is no number ends the training."""
        values = self.ranks.mean(torch.stack([value.detach() for value in losses.values()])).tolist()
        self.curve.append({"step": self.done, **dict(zip(losses, values, strict=True))})
        loss = self.curve[-1]["loss"]
        if loss != loss or abs(loss) == float("inf"):
            raise InputError(
                f"training diverged: loss is {loss} at step {self.done}",
                remedy=f"lower lr (now {self.config.lr}) or check the data",
            )

    def is_time_to_save(self) -> bool:
        late = time.monotonic() - self._saved > 60 * self.config.save_minutes
        return self.done < self.config.steps and (late or self.done % self.config.save_every == 0)

    def save(self) -> None:
        """One process writes; that of one moment, as nobody takes the next step without it."""
        if self.ranks.is_first:
            parts = {name: part.state_dict() for name, part in self._stateful().items()}
            save_checkpoint(
                self.work,
                {**parts, "step": self.done, "curve": self.curve, "draws": self._draws, "seconds": self._seconds()},
            )
        self._saved = time.monotonic()

    def _restore(self, state: Mapping[str, Any]) -> None:
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])
        self.done, self.curve, self._seconds_before = state["step"], state["curve"], state["seconds"]

    def _stateful(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}

    def _seconds(self) -> float:
        """Spent on training, in this process and in those before it that saved."""
        return self._seconds_before + time.monotonic() - self._began

    def summary(self) -> dict[str, Any]:
        """What the training took; memory is that of the GPU, else of this process."""
        return {
            "steps": self.config.steps,
            **self._draws,
            "device": self.gpus[0].type if self.gpus else "cpu",
            "seconds_per_step": self._seconds() / max(1, self.config.steps),
            "peak_memory_mb": _peak_memory_mb(bool(self.gpus)),
        }


def _peak_memory_mb(on_gpu: bool) -> float:
    if on_gpu:
        return torch.cuda.max_memory_allocated() / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
