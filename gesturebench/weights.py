"""What the verbs about published weights do."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.console import console, progress_bar

if TYPE_CHECKING:
    from gesturebench.common.weights.hub import HubFile, Snapshot
    from gesturebench.common.weights.passport import Passport

PUBLISHED = {
    name: f"gesturebench.methods.{name}"
    for name in ("rag_gesture", "emage", "mambatalk", "remodiffuse", "diffuse_style_gesture")
}
"""Methods with published weights -> their package: `published_folder` in it reads, `published_export` writes them."""


def import_weights(
    method: str, folder: Path, out: Path, *, repository: str | None = None, revision: str | None = None
) -> None:
    from gesturebench.common.weights.artifact import write_import

    reader = _module(method, "published_folder")
    _require_free(out)
    with progress_bar("reading and hashing") as progress:
        released = reader.read(folder, progress)
        passport, is_new = write_import(released, out, repository=repository, revision=revision)
    _say(f"{out}: {'' if is_new else 'already there, '}{_described(passport)}")
    for file in passport.files:
        _say(f"  sha256 {file.sha256}  {file.path}")
    _say(f"passport {passport.sha256}; {_use(method, out)}")


def export_weights(method: str, folder: Path, out: Path) -> None:
    writer = _module(method, "published_export")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: already there", expected="a new folder", remedy="choose another")
    writer.write(folder, out)
    _say(f"{out}: {folder} in the published layout")


def fetch_weights(method: str, out: Path, download: Path | None, revision: str) -> None:
    repository = _module(method, "published_folder").REPOSITORY
    if repository is None:
        raise InputError(
            f"{method}: its weights are on no hub",
            expected="a folder that you downloaded",
            remedy=f"gesturebench weights import {method} DIR",
        )
    _require_free(out)
    folder = download or out.parent / repository.name.split("/")[-1]
    from gesturebench.common.weights.hub import look_up

    snapshot = look_up(repository, revision)
    fetch(snapshot, folder, show_files=True)
    import_weights(method, folder, out, repository=repository.name, revision=snapshot.commit)


def fetch(snapshot: "Snapshot", folder: Path, *, show_files: bool) -> None:
    """Download a snapshot and tell what it is, and the checksums that were compared."""
    from gesturebench.common.weights.hub import download

    name, commit, count = snapshot.repository.name, snapshot.commit, len(snapshot.files)
    _say(f"{name} at {commit} ({snapshot.revision}): {count} files, {snapshot.bytes / 1e9:.2f} GB")
    compared = 0

    def tell(file: "HubFile", sha256: str) -> None:
        nonlocal compared
        compared += file.sha256 is not None
        if show_files:
            _say(f"  sha256 {sha256}  {file.path}{'' if file.sha256 else ' (the hub has none to compare)'}")

    download(snapshot, folder, tell)
    _say(f"{folder}: {count} files whole, the sha256 of {compared} as the hub has it")


def list_weights(folder: Path) -> None:
    from rich.table import Table

    from gesturebench.common.weights.passport import PASSPORT, Passport

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", remedy="import weights with `gesturebench weights import`")
    table = Table("method", "parameters", "from", "passport", box=None)
    table.add_column("folder", overflow="fold")
    for path in sorted({*folder.glob(PASSPORT), *folder.glob(f"*/{PASSPORT}")}):
        passport = Passport.read(path.parent)
        origin = f"{passport.repository} at {passport.revision[:12]}" if passport.repository else "a folder"
        millions = f"{passport.parameters / 1e6:.1f} M"
        table.add_row(passport.method, millions, origin, passport.sha256[:12], str(path.parent))
    console().print(table) if table.row_count else _say(f"{folder}: no imported weights")


def _use(method: str, out: Path) -> str:
    """Where the weights can be used: a method that has no setting for them cannot generate with what it published."""
    from gesturebench.methods.registry import get_method

    if "weights" in get_method(method).Config.model_fields:
        return f"use them with `gesturebench run '{method}[weights={out}]'`"
    return "a network for another kind of motion: no run takes it, see docs/weights.md"


def _described(passport: "Passport") -> str:
    tensors = sum(part.tensors for part in passport.parts.values())
    parts = ", ".join(f"{name} {part.parameters / 1e6:.1f} M" for name, part in passport.parts.items())
    return f"{tensors} tensors, {passport.parameters / 1e6:.1f} M parameters ({parts})"


def _module(method: str, name: str) -> ModuleType:
    from importlib import import_module

    if method not in PUBLISHED:
        raise unknown_name("method with published weights", method, PUBLISHED)
    return import_module(f"{PUBLISHED[method]}.{name}")


def _require_free(out: Path) -> None:
    """A folder with something else in it is refused before anything is read."""
    from gesturebench.common.weights.passport import PASSPORT

    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / PASSPORT).is_file())):
        raise InputError(
            f"{out}: already there, and no imported weights", expected="a new folder", remedy="choose --out"
        )


def _say(line: str) -> None:
    console().print(line, markup=False, soft_wrap=True)
