"""Weights on disk: safetensors with their configuration beside them, loaded strictly."""

from pathlib import Path

from torch import nn

from gesturebench.common.errors import InputError
from gesturebench.common.files import writing

WEIGHTS = "weights.safetensors"


def save_weights(model: nn.Module, folder: Path) -> None:
    from safetensors.torch import save

    whole = save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
    with writing(folder / WEIGHTS) as part:
        part.write_bytes(whole)


def load_weights(model: nn.Module, folder: Path) -> None:
    """Fill `model`, set it to eval mode; a missing, superfluous or wrongly shaped tensor is named."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.exists():
        raise InputError(f"{path}: no such file", remedy="delete its folder and run again")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: not readable ({error})", remedy="delete its folder and run again") from error
    expected = model.state_dict()
    wrong = [f"missing {name}" for name in expected if name not in tensors]
    wrong += [f"superfluous {name}" for name in tensors if name not in expected]
    wrong += [
        f"{name} has shape {tuple(tensors[name].shape)}, not {tuple(expected[name].shape)}"
        for name in expected
        if name in tensors and tensors[name].shape != expected[name].shape
    ]
    if wrong:
        raise InputError(
            f"{path}: {wrong[0]}" + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""),
            expected="weights of this configuration",
            remedy="delete its folder and run again",
        )
    model.load_state_dict(tensors)
    model.eval()
