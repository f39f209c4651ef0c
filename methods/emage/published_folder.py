"""The folders in which EMAGE's weights are published: found, read and checked (`published.py` has the layouts)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gesturebench.common.errors import InputError, shown
from gesturebench.common.files import read_json
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.progress import Progress, silent
from gesturebench.common.weights.artifact import Released, Tensors
from gesturebench.common.weights.hub import Repository
from gesturebench.common.weights.passport import hashed
from gesturebench.common.weights.pickles import read_checkpoint, tensors_of
from gesturebench.common.weights.strict import require_same
from gesturebench.methods.emage.published import (
    CODECS,
    MODEL,
    OLDER,
    OLDER_CODECS,
    OLDER_STATE,
    PLACES,
    TOLD,
    WEIGHTS,
    WITH_TEXT,
    network_sizes,
    skeletons,
)
from gesturebench.methods.published_priors import prior_sizes

REPOSITORY = Repository("H-Liu1997/emage_audio", include=(TOLD, WEIGHTS, f"{CODECS}/*"))
SEED_FRAMES = 4
ROUTE_KEYS = {"upper": "cu", "hands": "ch", "face": "cf", "lower": "cl"}
"""A part whose weight is above zero is decoded by its most likely code."""
_REMEDY = "download the folder again; see docs/weights.md for its layout"


def read(folder: Path, progress: Progress = silent) -> Released:
    """Everything in the folder, checked; hashes are formed here, tensors read when they are written."""
    files = find(folder)
    states = {name: _tensors(path) for name, path in files.items()}
    told_file = files[MODEL].parent / TOLD
    told = _told(told_file) if told_file.is_file() else {}
    priors = prior_sizes({name: states[name] for name in PLACES}, str(folder))
    sizes, settings = {"network": network_sizes(states[MODEL], told), "priors": priors}, _settings(told)
    for name, skeleton in skeletons(sizes).items():
        require_same(states[name], skeleton, str(files[name]), _REMEDY)
    sources = [*files.values(), *([told_file] if told else [])]
    parts = ((name, Tensors(states[name], _place(path, folder))) for name, path in files.items())
    return Released("emage", tuple(hashed(sources, folder, progress)), parts, sizes, settings, {})


def find(folder: Path) -> dict[str, Path]:
    """The file of every component."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected=f"{WEIGHTS} and {CODECS}", remedy=_REMEDY)
    found = {name: _first(_candidates(folder, name)) for name in (*PLACES, MODEL)}
    if found[MODEL] is None and (folder / WITH_TEXT).is_file():
        raise InputError(
            f"{folder / WITH_TEXT}: the model that also reads text",
            expected=f"the audio model, {WEIGHTS} of {REPOSITORY.name}",
            remedy="gesturebench weights fetch emage",
        )
    for name, path in found.items():
        if path is None:
            wanted = " or ".join(str(place.relative_to(folder)) for place in _candidates(folder, name)[:2])
            raise InputError(f"{folder}: no weights of {name}", expected=wanted, remedy=_REMEDY)
    return found


def _candidates(folder: Path, name: str) -> list[Path]:
    own = folder / WEIGHTS if name == MODEL else folder / CODECS / PLACES[name] / WEIGHTS
    older = folder if name == MODEL else folder / OLDER_CODECS
    return [own, *(older / file for file in OLDER[name])]


def _first(paths: list[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _tensors(path: Path) -> dict[str, Tensor]:
    """A file holds the tensors by name, or (older) under a key."""
    content = read_checkpoint(path)
    return tensors_of(content if OLDER_STATE in content else {OLDER_STATE: content}, OLDER_STATE, path)


def _told(path: Path) -> dict[str, float]:
    """The numbers that the configuration file says."""
    content = read_json(path)
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds a {type(content).__name__}", expected="settings by name", remedy=_REMEDY)
    read = {"nhead", "seed_frames", *ROUTE_KEYS.values()}
    told = {name: value for name, value in content.items() if name in read}
    for name, value in told.items():
        if type(value) not in (int, float):
            raise InputError(f"{path}: {name} = {shown(value)}", expected="a number", remedy=_REMEDY)
    return told


def _settings(told: Mapping[str, float]) -> dict[str, Any]:
    """What the weights were trained or released with, and could be changed."""
    routes = {
        part: "index" if told[ROUTE_KEYS[part]] > 0 else "latent" for part in PART_NAMES if ROUTE_KEYS[part] in told
    }
    return {
        "network": {"seed_frames": told.get("seed_frames", SEED_FRAMES)},
        "generation": {"global_input": "raw", **({"routes": routes} if routes else {})},
    }


def _place(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
