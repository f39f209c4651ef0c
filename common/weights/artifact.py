"""The folder of imported weights: one folder per component with its tensors, and the passport. Whole or absent."""

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gesturebench.common.errors import InputError
from gesturebench.common.files import explained, publish, sha256_file, write_npz
from gesturebench.common.fitting import FitContext
from gesturebench.common.weights.passport import PASSPORT, Part, Passport, SourceFile

if TYPE_CHECKING:
    from torch import Tensor

TENSORS = "weights.safetensors"


@dataclass(frozen=True, eq=False)
class Tensors:
    """A component as it was read: tensors by our names, the published file they come from, and arrays that our loader
    wants beside them, by file name."""

    tensors: Mapping[str, "Tensor"]
    source: str
    beside: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Released:
    """A published folder, read and found to be what it should: see `Passport`; `parts` one component at a time."""

    method: str
    files: tuple[SourceFile, ...]
    parts: Iterable[tuple[str, Tensors]]
    sizes: Mapping[str, Any]
    settings: Mapping[str, Any]
    widths: Mapping[str, int]


def write_import(
    released: Released, out: Path, *, repository: str | None = None, revision: str | None = None
) -> tuple[Passport, bool]:
    """Write the folder beside `out` and rename it; returns its passport and whether it is new. A folder that holds the
    same import already is kept, any other is refused."""
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with explained(out):
            part.mkdir(parents=True)
            parts = {name: _write_part(part / name, tensors) for name, tensors in released.parts}
            sizes, settings, widths = released.sizes, released.settings, released.widths
            passport = Passport(
                released.method, repository, revision, released.files, parts, sizes, settings, widths
            )  # fmt: skip
            passport.write(part)
        is_new = publish(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    if not is_new and Passport.read(out).sha256 != passport.sha256:
        raise InputError(f"{out}: holds other weights", expected="a new folder", remedy="choose another --out")
    return passport, is_new


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `out`; rename it into place when the block succeeds. `out` must not be there."""
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with explained(out):
            part.mkdir(parents=True)
            yield part
        if not publish(part, out):
            raise InputError(f"{out}: already there", expected="a new folder", remedy="choose another")
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_part(folder: Path, found: Tensors) -> Part:
    from safetensors.torch import save_file

    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in found.tensors.items()}, folder / TENSORS)
    for name, arrays in found.beside.items():
        write_npz(folder / name, **arrays)
    files = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    return Part(files, len(found.tensors), sum(tensor.numel() for tensor in found.tensors.values()), found.source)


def read_part(folder: Path, name: str) -> dict[str, "Tensor"]:
    """The tensors of a component by our names."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / name / TENSORS
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read ({error})", remedy="delete the folder and import the weights again"
        ) from error


def take(config: Mapping[str, Any], context: FitContext) -> None:
    """The fit of a component that is not trained: its files of `config["passport"]` become the artifact, as links where
    the file system has them. What changed since the import is refused."""
    folder, name = Path(context.place["weights"]), config["component"]
    passport = Passport.read(folder)
    if passport.sha256 != config["passport"]:
        raise InputError(
            f"{folder / PASSPORT}: changed since the run was planned", remedy="plan and run the grid again"
        )
    for file, sha256 in passport.parts[name].files.items():
        _link_or_copy(folder / name / file, context.out / file)
        if sha256_file(context.out / file) != sha256:
            raise InputError(
                f"{folder / name / file}: changed since it was imported",
                expected=f"sha256 {sha256[:12]}...",
                remedy="delete the folder and import the weights again",
            )


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError as error:
        raise InputError(f"{source}: no such file", remedy="import the weights again") from error
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
