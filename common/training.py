"""The one training loop: steps, not seconds; resumed from a checkpoint it ends in the same bits as if it had never
stopped.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gesturebench.common.budget import Training
from gesturebench.common.errors import InputError
from gesturebench.common.files import writing
from gesturebench.common.progress import Progress, silent
from gesturebench.common.seeds import seed_of, torch_generator

CHECKPOINT = "checkpoint.pt"


Losses = Mapping[str, Tensor]
"""Named scalar losses; the entry `loss` is what is minimised."""


def train(
    model: nn.Module,
    losses_of: Callable[[torch.Generator], Losses],
    config: Training,
    *,
    seed_axes: tuple[object, ...],
    work: Path,
    progress: Progress = silent,
) -> list[dict[str, float]]:
    """Minimise `losses_of(generator)["loss"]` and return the curve, one row of named losses per logged step.

    Every step draws from its own generator, seeded by (`seed_axes`, step): batches, noise and dropout choices of a step
    do not depend on what ran before it, so a run that was killed and resumed from `work/checkpoint.pt` is bit-equal to
    one that was not.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=config.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, max(1, config.steps), eta_min=config.lr * config.final_lr
    )
    start, curve = _resume(work / CHECKPOINT, model, optimizer, schedule)
    model.train()
    for step in range(start, config.steps):
        with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator: seed it for this step alone
            torch.manual_seed(seed_of("dropout", *seed_axes, step))
            losses = losses_of(torch_generator("step", *seed_axes, step))
            optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        optimizer.step()
        schedule.step()
        done = step + 1
        if done % 10 == 0 or done == config.steps:
            curve.append({"step": done, **{name: value.item() for name, value in losses.items()}})
            _refuse_divergence(curve[-1], config)
            progress(done, config.steps)
        if done % config.save_every == 0 and done < config.steps:
            _save(work / CHECKPOINT, model, optimizer, schedule, done, curve)
    model.eval()
    return curve


def _refuse_divergence(row: Mapping[str, float], config: Training) -> None:
    if not torch.isfinite(torch.tensor(row["loss"])):
        raise InputError(
            f"training diverged: loss is {row['loss']} at step {row['step']}",
            remedy=f"lower lr (now {config.lr}) or check the data",
        )


def _save(path: Path, model: nn.Module, optimizer, schedule, step: int, curve: list[dict[str, float]]) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    whole = io.BytesIO()  # torch's own writing to a full disk ends in an error that does not say so
    torch.save({**state, "step": step, "curve": curve}, whole)
    with writing(path) as part:
        part.write_bytes(whole.getbuffer())


def _resume(path: Path, model: nn.Module, optimizer, schedule) -> tuple[int, list[dict[str, float]]]:
    if not path.exists():
        return 0, []
    try:
        state = torch.load(path, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise InputError(
            f"{path}: not a readable checkpoint ({type(error).__name__})",
            expected="the state of an interrupted training",
            remedy="delete it: the training then starts over",
        ) from error
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return state["step"], state["curve"]
