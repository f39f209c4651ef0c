"""Checkpoints that others wrote with `torch.save`, read as plain data: nothing a file brings is ever run."""

import argparse
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.errors import InputError

WRAPPER = "module."
"""What a network trained behind a parallel wrapper puts before its names."""

_scalar = np.float64(0).__reduce__()[0]
_array = np.zeros(0).__reduce__()[0]
_PLAIN = [
    argparse.Namespace,
    np.ndarray,
    np.dtype,
    *(type(np.dtype(code)) for code in "?bhilqBHILQefdU"),
    *((_scalar, f"{package}.multiarray.scalar") for package in ("numpy.core", "numpy._core")),
    *((_array, f"{package}.multiarray._reconstruct") for package in ("numpy.core", "numpy._core")),
]
"""What trainers leave in checkpoints beside tensors and plain values, and what cannot do anything: settings in a
namespace, numbers of numpy."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The dictionary in a checkpoint, its tensors on the CPU and read when they are used."""
    if not path.is_file():
        raise InputError(f"{path}: no such file", expected="a checkpoint", remedy="download the folder again")
    try:
        with torch.serialization.safe_globals(_PLAIN), warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch, pickle and zip raise a dozen kinds for a broken file
        raise _unreadable(path, error) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}", expected="a checkpoint, which is a dictionary")
    return content


def tensors_of(content: Mapping[str, Any], key: str, path: Path) -> dict[str, Tensor]:
    """The tensors by name under a key of a checkpoint, each name without a wrapper's `module.`"""
    state = content.get(key)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        names = ", ".join(sorted(map(str, content))) or "nothing"
        raise InputError(f"{path}: a dictionary of {names}", expected=f"{key!r} with tensors by name")
    tensors = {str(name).removeprefix(WRAPPER): tensor for name, tensor in state.items()}
    if len(tensors) < len(state):
        twice = next(name for name in tensors if name in state and f"{WRAPPER}{name}" in state)
        raise InputError(f"{path}: {twice} stands there with and without {WRAPPER!r}", expected="each tensor once")
    return tensors


_REFUSED = re.compile(r"(?:[Uu]nsupported (?:global: )?GLOBAL|[Uu]nsupported class) (\S+)")


def _unreadable(path: Path, error: Exception) -> InputError:
    refused = _REFUSED.search(str(error))
    if refused:
        return InputError(
            f"{path}: needs {refused[1]} to be loaded, and loading it could run any code",
            expected="tensors and plain values",
            remedy="download the file again; if you trust who wrote it, save its tensors alone",
        )
    return InputError(
        f"{path}: not readable as a checkpoint ({type(error).__name__}), perhaps cut short",
        expected="a file written by torch.save",
        remedy="download it again",
    )
