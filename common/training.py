"""The one training loop: steps, not seconds; resumed from a checkpoint it ends in the same bits as if it had never
stopped.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gesturebench.common.budget import Training
from gesturebench.common.convergence import settled_step
from gesturebench.common.device import device
from gesturebench.common.distributed import Ranks, joined
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.common.fitting import CURVE, TRAINING, FitContext
from gesturebench.common.optimisation import Batch, Losses, LossesOf, Optimisation
from gesturebench.common.progress import Stopped
from gesturebench.common.resuming import load_checkpoint, save_checkpoint
from gesturebench.common.seeds import seed_of, torch_generator

LOG_EVERY = 10

Draw = Callable[[int, torch.Generator], Batch]
"""What a step of that many rows (windows) is trained on, on the CPU. Whatever is random but dropout is drawn here, with
the generator."""

PROGRESS = "progress"
"""What `train` adds to every batch: (rows,) the share of the training that is done, 0 at the first step."""

Curve = list[dict[str, float]]


def train(
    model: nn.Module,
    draw: Draw,
    losses_of: LossesOf,
    config: Training,
    *,
    seed_axes: tuple[object, ...],
    context: FitContext,
) -> Curve:
    """Minimise `losses_of(draw(rows, generator))["loss"]`; returns the curve, one row of named losses per logged step,
    and leaves it in `context.out`.

    Every step draws from its own generator, seeded by (`seed_axes`, step): batches, noise and dropout choices of a step
    do not depend on what ran before it, so a run that was killed or stopped and resumed from its checkpoint in
    `context.work` is bit-equal to one that was not. The model is trained on `device()` and ends on the CPU.

    `accumulate` parts of what was drawn go through the model one after another. A stop that is heard between two of
    them forgets the first: the step will be taken again.

    Each of several processes draws its part of the batch with seeds of its own and sees the mean gradient; losses are
    means over processes. If the progress of any raises `Stopped`, all stop after the same step and the first one saves.
    """
    config = config.divided(context.batch_divisor)
    ranks = joined(config.processes)
    run = _Run(Optimisation(model.to(device()), config, ranks), ranks, context)
    model.train()
    while run.done < config.steps:
        stop = run.step(draw, losses_of, (*seed_axes, run.done, *ranks.axes))
        if stop or run.is_time_to_save():
            run.save()
        if stop:
            raise Stopped
    run.optimisation.finish()
    write_json(context.out / CURVE, run.curve)
    write_json(context.out / TRAINING, run.summary())
    return run.curve


class _Run:
    """A training between its first step and its last: how far it is, its losses so far, and what it took."""

    def __init__(self, optimisation: Optimisation, ranks: Ranks, context: FitContext):
        self.optimisation, self.config, self._ranks = optimisation, optimisation.config, ranks
        self._work, self._progress = context.work, context.progress
        self._gpus = [optimisation.device] if optimisation.device.type == "cuda" else []
        self.done, self.curve, self._seconds_before, self._drawing = 0, [], 0.0, 0.0
        self._began = self._saved = time.monotonic()
        self._draws = {name: getattr(self.config, name) for name in ("batch", "processes", "accumulate")}
        state = ranks.of_first(load_checkpoint(self._work, self._draws) if ranks.is_first else None)
        if state is not None:
            optimisation.load_state_dict(state)
            self.done, self.curve = state["step"], state["curve"]
            self._seconds_before, self._drawing = state["seconds"], state["drawing"]

    def step(self, draw: Draw, losses_of: LossesOf, axes: tuple[object, ...]) -> bool:
        """Take a step; whether somebody asked to stop after it, or inside it: then it was not taken."""
        with torch.random.fork_rng(devices=self._gpus):  # dropout draws from the global generators: seed them each step
            torch.manual_seed(seed_of("dropout", *axes))
            began = time.monotonic()
            batch = draw(self.config.rows, torch_generator("step", *axes))
            batch = {**batch, PROGRESS: torch.full((self.config.rows,), self.done / self.config.steps)}
            self._drawing += time.monotonic() - began
            losses = self._gradient(losses_of, batch)
        if losses is None:
            return True
        self.optimisation.step()
        self.done += 1
        if self.done % LOG_EVERY == 0 or self.done == self.config.steps:
            self._log(losses)
        return self._is_asked_to_stop()

    def _gradient(self, losses_of: LossesOf, batch: Batch) -> Losses | None:
        """Leave the gradient of a batch in the model; its mean losses, None if asked to stop before its end."""
        count = self.config.accumulate
        size = self.config.rows // count
        buffers = [(buffer, buffer.clone()) for buffer in self.optimisation.model.buffers()] if count > 1 else []
        means: dict[str, Tensor] = {}
        self.optimisation.clear()
        for k in range(count):
            if k and self._is_asked_to_stop():
                for buffer, before in buffers:
                    buffer.copy_(before)
                return None
            part = {name: rows[k * size : (k + 1) * size] for name, rows in batch.items()}
            for name, value in self.optimisation.backward(losses_of, part).items():
                means[name] = means[name] + value if k else value
        return means

    def _is_asked_to_stop(self) -> bool:
        """Whether any process is."""
        try:
            self._progress(self.done, self.config.steps)
        except Stopped:
            return self._ranks.any(True)
        return self._ranks.any(False)

    def _log(self, losses: Losses) -> None:
        """A row of the curve; a loss that is no number ends the training."""
        values = self._ranks.mean(torch.stack(list(losses.values()))).tolist()
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
        if self._ranks.is_first:
            state = {"step": self.done, "curve": self.curve, "draws": self._draws}
            took = {"seconds": self._seconds(), "drawing": self._drawing}
            save_checkpoint(self._work, {**self.optimisation.state_dict(), **state, **took})
        self._saved = time.monotonic()

    def _seconds(self) -> float:
        """Spent on training, in this process and in those before it that saved."""
        return self._seconds_before + time.monotonic() - self._began

    def summary(self) -> dict[str, Any]:
        """What the training took; memory is that of the GPU, else of this process."""
        config, seconds = self.config, self._seconds()
        return {
            "steps": config.steps,
            **self._draws,
            "precision": config.precision,
            "device": "cuda" if self._gpus else "cpu",
            "seconds_per_step": seconds / max(1, config.steps),
            "windows_per_s": config.steps * config.batch / seconds,
            "drawing_share": self._drawing / seconds,
            "peak_memory_mb": _peak_memory_mb(bool(self._gpus)),
            "skipped_steps": self.optimisation.skipped,
            "settled_step": settled_step(self.curve),
        }


def _peak_memory_mb(on_gpu: bool) -> float:
    if on_gpu:
        return torch.cuda.max_memory_allocated() / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
