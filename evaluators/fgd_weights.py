"""The published encoder of FGD, a file `AESKConv_240_100.bin`: into our autoencoder, and back into that format.

The file is a pickled dictionary whose `model_state` holds 56 float32 tensors, often named `module.<name>` because the
network was trained behind a parallel wrapper.
"""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.files import writing
from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder

FILE = "AESKConv_240_100.bin"
STATE = "model_state"
WRAPPER = "module."
_REMEDY = f"download weights/{FILE} of the BEAT2 dataset again"


def foreign_names(model: SkeletonAutoencoder, prefix: str = "") -> dict[str, str]:
    """Our parameter names -> those of the file: ours behind the wrapper's prefix, if there is one."""
    return {name: f"{prefix}{name}" for name in model.state_dict()}


def load_published(path: Path) -> SkeletonAutoencoder:
    """The network of a published file, in eval mode; anything that is not exactly that network is an `InputError`."""
    state = _read(path)
    wrapped = all(name.startswith(WRAPPER) for name in state)
    model = SkeletonAutoencoder()
    names = foreign_names(model, WRAPPER if wrapped else "")
    _refuse_other_names(path, set(names.values()), set(state))
    tensors = {own: state[foreign] for own, foreign in names.items()}
    _refuse_other_tensors(path, model, tensors)
    model.load_state_dict(tensors)
    return model.eval()


def save_published(model: SkeletonAutoencoder, path: Path, prefix: str = WRAPPER) -> None:
    """Write the network in the published format."""
    state, names = model.state_dict(), foreign_names(model, prefix)
    whole = io.BytesIO()
    torch.save({STATE: {foreign: state[own].clone() for own, foreign in names.items()}}, whole)
    with writing(path) as part:
        part.write_bytes(whole.getbuffer())


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file",
            expected="the published FGD encoder",
            remedy=f"put weights/{FILE} of the BEAT2 dataset there, name the file as 'weights' of fgd, or set encoder: "
            "trained",
        ) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as weights ({type(error).__name__})", remedy=_REMEDY) from error
    state = content.get(STATE) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: {_described(content)}", expected=f"{STATE!r} with tensors by name", remedy=_REMEDY)
    return state


def _described(content: Any) -> str:
    return (
        f"a dictionary of {', '.join(sorted(map(str, content)))}"
        if isinstance(content, dict)
        else type(content).__name__
    )


def _refuse_other_names(path: Path, expected: set[str], found: set[str]) -> None:
    wrong = [f"no tensor {name}" for name in sorted(expected - found)]
    wrong += [f"superfluous tensor {name}" for name in sorted(found - expected)]
    _refuse(path, wrong, f"the {len(expected)} tensors of VAESKConv")


def _refuse_other_tensors(path: Path, model: SkeletonAutoencoder, tensors: Mapping[str, Tensor]) -> None:
    """Shapes, types, finite numbers; masks and pooling matrices follow from the skeleton and must be ours."""
    own, constants = model.state_dict(), {name for name, _ in model.named_buffers()}
    wrong = []
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
            wrong.append(
                f"{name} is {tensor.dtype} {tuple(tensor.shape)}, not {own[name].dtype} {tuple(own[name].shape)}"
            )
        elif not tensor.isfinite().all():
            wrong.append(f"{name} holds numbers that are not finite")
        elif name in constants and not torch.equal(tensor, own[name]):
            wrong.append(f"{name} belongs to another skeleton")
    _refuse(path, wrong, "the network for 55 SMPL-X joints")


def _refuse(path: Path, wrong: list[str], expected: str) -> None:
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InputError(f"{path}: {wrong[0]}{more}", expected=expected, remedy=_REMEDY)
