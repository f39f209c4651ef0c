"""Sizes of a network, read off its tensors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def size_of(state: Mapping[str, "Tensor"], name: str, axis: int, otherwise: int) -> int:
    """Of a tensor along an axis; `otherwise` where it is missing or has no such axis."""
    tensor = state.get(name)
    return tensor.shape[axis] if tensor is not None and tensor.ndim > axis else otherwise


def blocks_of(state: Mapping[str, "Tensor"], stack: str) -> int:
    """How many numbered blocks a stack has.

    >>> blocks_of(dict.fromkeys(("face.layers.0.bias", "face.layers.1.bias", "face.layers.1.weight")), "face.layers")
    2
    """
    return len({name.removeprefix(f"{stack}.").split(".")[0] for name in state if name.startswith(f"{stack}.")})
