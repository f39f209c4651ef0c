"""An interrupted training on disk: its last two checkpoints, the older one for the case that the newest is damaged."""

import io
import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gesturebench.common.errors import InputError
from gesturebench.common.files import writing

State = dict[str, Any]
"""What a checkpoint holds: `step` (done so far), `draws` (what it must have in common with what goes on from it) and
the state of everything that changes."""

KEPT = 2
_DAMAGE = (pickle.UnpicklingError, RuntimeError, EOFError, OSError)


def checkpoints(work: Path) -> list[Path]:
    """The checkpoints of a training, newest first."""
    return sorted(work.glob("checkpoint-*.pt"), reverse=True)


def save_checkpoint(work: Path, state: State) -> None:
    """Write `checkpoint-<step>.pt`; it appears when it is whole, and only then the third newest goes."""
    whole = io.BytesIO()  # torch's own writing to a full disk ends in an error that does not say so
    torch.save(state, whole)
    with writing(work / f"checkpoint-{state['step']:09d}.pt") as part:
        part.write_bytes(whole.getbuffer())
    for old in checkpoints(work)[KEPT:]:
        old.unlink(missing_ok=True)


def load_checkpoint(work: Path, draws: Mapping[str, int]) -> State | None:
    """The newest checkpoint that can be read, None if the training starts now. If none of those there can be read, it
    is an `InputError`: hours of work are never thrown away unasked.

    One whose `draws` (batch and processes) differ is not gone on from: the result would be neither training's. It is
    deleted and the training starts over.
    """
    found = checkpoints(work)
    states = ((path, _read(path)) for path in found)
    path, state = next(((path, state) for path, state in states if state is not None), (None, None))
    if found and state is None:
        raise InputError(
            f"{found[0]}: not a readable checkpoint",
            expected="the state of an interrupted training" + " (nor is the one before)" * (len(found) > 1),
            remedy="delete it: the training then starts over",
        )
    if state is not None and state["draws"] != draws:
        _log.warning(f"{path}: made with {state['draws']}, now it is {dict(draws)}; the training starts over")
        path, state = None, None
    for useless in found[: found.index(path) if path else None]:
        useless.unlink(missing_ok=True)
    return state


def _read(path: Path) -> State | None:
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except _DAMAGE as error:
        _log.warning(f"{path}: not a readable checkpoint ({type(error).__name__}); looking for the one before")
        return None


_log = logging.getLogger(__name__)
