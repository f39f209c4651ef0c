"""The folder in which ReMoDiffuse's weights are published: found, read and checked.

DIR/latest.pth    {"meta": ..., "state_dict": tensors, "optimizer": ...}; another name if it is the only checkpoint
DIR/<config>.py   settings; optional
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.progress import Progress, silent
from gesturebench.common.weights.artifact import Released, Tensors
from gesturebench.common.weights.passport import hashed
from gesturebench.common.weights.pickles import read_checkpoint, tensors_of
from gesturebench.common.weights.settings import Settings, read_python
from gesturebench.common.weights.strict import require_same
from gesturebench.methods.remodiffuse import published_clip
from gesturebench.methods.remodiffuse.published import (
    METHOD,
    PREFIXES,
    DenoiserSizes,
    denoiser_sizes,
    from_published,
    to_published,
)

REPOSITORY = None
"""The weights are on no hub that a program could fetch them from."""
CHECKPOINT, CONFIG = "latest.pth", "remodiffuse.py"
STATE = "state_dict"
CHANGEABLE = {"dropout", "attention_keys"}
"""Settings of the denoiser that its tensors do not have."""
MIXED = ("coarse_scale", "both_coef", "text_coef", "retr_coef")
_REMEDY = "download the folder again; see docs/weights.md for its layout"


class PublishedFolder:
    """A checkpoint and the settings beside it."""

    def __init__(self, folder: Path):
        self.root, self.checkpoint = folder, _checkpoint(folder)

    @cached_property
    def settings_file(self) -> Path | None:
        files = sorted(self.checkpoint.parent.glob("*.py"))
        return files[0] if len(files) == 1 else None

    @cached_property
    def told(self) -> Settings:
        return read_python(self.settings_file) if self.settings_file else {}

    @cached_property
    def state(self) -> dict[str, Tensor]:
        return tensors_of(read_checkpoint(self.checkpoint), STATE, self.checkpoint)

    @cached_property
    def parts(self) -> dict[str, dict[str, Tensor]]:
        """Components by our names, as far as names are known; `require` sees to the rest."""
        known = {name: tensor for name, tensor in self.state.items() if name.startswith(PREFIXES["denoiser"])}
        return from_published(known)

    @cached_property
    def sizes(self) -> DenoiserSizes:
        return denoiser_sizes(self.parts.get("denoiser", {}), self.told, str(self.settings_file or self.checkpoint))

    def require(self) -> None:
        """Every tensor is there, and no other; CLIP's as a whole or not at all."""
        expected = {"denoiser": self.sizes.skeleton()}
        if "clip" in self.parts:
            expected["clip"] = published_clip.skeleton(self.parts["clip"])
        require_same(self.state, to_published(expected), str(self.checkpoint), _REMEDY)


def read(folder: Path, progress: Progress = silent) -> Released:
    """Everything in the folder, checked; hashes are formed here, tensors read when they are written."""
    found = PublishedFolder(folder)
    found.require()
    sizes = found.sizes
    files = [found.checkpoint, *([found.settings_file] if found.settings_file else [])]
    source = str(found.checkpoint.relative_to(folder))
    return Released(
        METHOD,
        tuple(hashed(files, folder, progress)),
        ((name, Tensors(tensors, source)) for name, tensors in found.parts.items()),
        {"denoiser": sizes.config.model_dump(exclude=CHANGEABLE), "motion": {"frames": sizes.frames}},
        _settings(found.told),
        {"features": sizes.features, "text": sizes.text},
    )


def _settings(told: Mapping[str, Any]) -> dict[str, Any]:
    """The released mixture with the numbers that stand beside the checkpoint."""
    if not all(key in told for key in MIXED):
        return {}
    coarse, *fine = (told[key] for key in MIXED)
    return {"mixture": {"policy": "released", "coarse_scale": coarse, "fine": list(fine)}}


def _checkpoint(folder: Path) -> Path:
    """`latest.pth`, or the only checkpoint, in the folder or one below it."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected=f"a folder with {CHECKPOINT}", remedy=_REMEDY)
    found = sorted(folder.glob("*.pth")) or sorted(folder.glob("*/*.pth"))
    chosen = [path for path in found if path.name == CHECKPOINT] or found
    if len(chosen) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in chosen) or "no checkpoint"
        raise InputError(f"{folder}: {names}", expected=f"one {CHECKPOINT}", remedy=_REMEDY)
    return chosen[0]
