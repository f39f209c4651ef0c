"""The folder in which weights of DiffuseStyleGesture are published: found, read and checked.

DIR/*.pt     tensors by name, in the dictionary itself or under `state_dict`; of several files the one of most steps
DIR/*.yml    settings, if there is one such file
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.progress import Progress, silent
from gesturebench.common.weights.artifact import Released, Tensors
from gesturebench.common.weights.passport import hashed
from gesturebench.common.weights.pickles import read_checkpoint, tensors_of
from gesturebench.common.weights.settings import read_yaml
from gesturebench.common.weights.strict import require_same
from gesturebench.methods.diffuse_style_gesture.published import (
    METHOD,
    NETWORK,
    TOLD,
    WIDTHS,
    sizes_of,
    skeleton,
    without_tables,
)

REPOSITORY = None
"""The weights are on no hub that a program could fetch them from."""
STATE = "state_dict"
CHECKPOINT, CONFIG = "model.pt", "DiffuseStyleGesture.yml"
CHANGEABLE = {"dropout", "drop"}
"""Settings of the network that its tensors do not have."""
_REMEDY = "download the folder again; see docs/weights.md for its layout"


def read(folder: Path, progress: Progress = silent) -> Released:
    """Everything in the folder, checked."""
    checkpoint, settings = _checkpoint(folder), _settings_file(folder)
    state, told = _state(checkpoint), _told(settings)
    sizes = sizes_of(state, told, str(settings or checkpoint))
    require_same(state, skeleton(sizes), str(checkpoint), _REMEDY)
    tensors = without_tables(state, sizes, str(checkpoint))
    return Released(
        METHOD,
        tuple(hashed([checkpoint, *([settings] if settings else [])], folder, progress)),
        [(NETWORK, Tensors(tensors, checkpoint.relative_to(folder).as_posix()))],
        {NETWORK: sizes.model_dump(exclude={*CHANGEABLE, *WIDTHS})},
        {},
        {name: getattr(sizes, name) for name in WIDTHS},
    )


def _checkpoint(folder: Path) -> Path:
    """Names of checkpoints count steps with leading zeros: the last one in the alphabet is the latest."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected="a folder with a checkpoint *.pt", remedy=_REMEDY)
    found = sorted(path for path in folder.glob("*.pt") if not path.name.startswith("opt"))
    if not found:
        raise InputError(f"{folder}: no checkpoint", expected="a file *.pt", remedy=_REMEDY)
    return found[-1]


def _settings_file(folder: Path) -> Path | None:
    files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
    return files[0] if len(files) == 1 else None


def _state(path: Path) -> dict[str, Tensor]:
    content = read_checkpoint(path)
    return tensors_of(content if STATE in content else {STATE: content}, STATE, path)


def _told(path: Path | None) -> Mapping[str, Any]:
    """The settings that are read, and nothing else."""
    content = {} if path is None else read_yaml(path)
    return {key: content[key] for key in TOLD if key in content}
