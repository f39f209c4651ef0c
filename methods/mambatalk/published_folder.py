"""The folder in which MambaTalk's weights are published: found, read and checked.

DIR/mambatalk_100.bin                                          the network
DIR/pretrained_vq/{face,upper,hands,lower_foot,foot}.bin       the part codecs, and (foot) the network of global motion

Each is a checkpoint {"model_state": tensors}, its names behind `module.` where it was trained on several devices.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.progress import Progress, silent
from gesturebench.common.weights.artifact import Released, Tensors
from gesturebench.common.weights.hub import Repository
from gesturebench.common.weights.passport import hashed
from gesturebench.common.weights.pickles import read_checkpoint, tensors_of
from gesturebench.common.weights.strict import require_same
from gesturebench.methods.mambatalk.components import NETWORK
from gesturebench.methods.mambatalk.published import network_sizes, network_skeleton
from gesturebench.methods.published_priors import prior_sizes, prior_skeletons

METHOD = "mambatalk"
REPOSITORY = Repository("kkakkkka/MambaTalk", include=("mambatalk_100.bin", "pretrained_vq/*.bin"))
STATE = "model_state"
CHECKPOINT = "mambatalk_100.bin"
PRIORS = "pretrained_vq"
PRIOR_FILES = {
    "vq_face": "face.bin",
    "vq_upper": "upper.bin",
    "vq_hands": "hands.bin",
    "vq_lower": "lower_foot.bin",
    "global_motion": "foot.bin",
}
"""Component -> its file."""
RELEASED: Mapping[str, Any] = {
    "speech": {"words": "vocabulary", "tokens": "recogniser"},
    "generation": {"audio_hop": "released"},
}
"""Settings that these weights were released with and that could be changed."""
_REMEDY = "download the folder again; see docs/weights.md for its layout"


def read(folder: Path, progress: Progress = silent) -> Released:
    """Everything in the folder, checked; hashes are formed here, tensors read when they are written."""
    root, paths = _find(folder)
    states = {name: tensors_of(read_checkpoint(path), STATE, path) for name, path in paths.items()}
    priors = {name: state for name, state in states.items() if name != NETWORK}
    sizes = {"priors": prior_sizes(priors, str(root / PRIORS)), **network_sizes(states[NETWORK], str(paths[NETWORK]))}
    expected = {**prior_skeletons(sizes["priors"]), NETWORK: network_skeleton(sizes, str(paths[NETWORK]))}
    for name, state in states.items():
        require_same(state, expected[name], str(paths[name]), _REMEDY)
    parts = ((name, _part(state, paths[name], root)) for name, state in states.items())
    files = tuple(hashed(list(paths.values()), root, progress))
    return Released(METHOD, files, parts, sizes, RELEASED, {})


def _part(state: Mapping[str, Tensor], path: Path, root: Path) -> Tensors:
    return Tensors(state, path.relative_to(root).as_posix())


def _find(folder: Path) -> tuple[Path, dict[str, Path]]:
    """The folder that holds `pretrained_vq`, and the file of every component."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected=f"{CHECKPOINT} and {PRIORS}", remedy=_REMEDY)
    root = next((place for place in (folder, folder / "weights") if (place / PRIORS).is_dir()), folder)
    found = sorted(root.glob("mambatalk*.bin"))
    released = [path for path in found if path.name == CHECKPOINT] or found
    if len(released) != 1:
        names = ", ".join(path.name for path in released) or "no checkpoint"
        raise InputError(f"{root}: {names}", expected=CHECKPOINT, remedy=_REMEDY)
    return root, {**{name: root / PRIORS / file for name, file in PRIOR_FILES.items()}, NETWORK: released[0]}
