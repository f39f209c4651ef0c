"""Files that are whole or absent: everything is written under a temporary name, flushed, and renamed."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.errors import InputError


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block succeeds, remove it when it fails.

    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> with writing(folder / "a.txt") as part:
    ...     _ = part.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with explained(path):
        _refuse_folder(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            _flush(part)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def publish(folder: Path, final: Path) -> bool:
    """Rename a finished folder into its final place; one that is already there (another run was faster) is kept, and
    False returned."""
    with explained(final):
        for file in folder.rglob("*"):
            if file.is_file():
                _flush(file)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(folder, final)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            shutil.rmtree(folder)
            return False
        return True


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into an `InputError` that names the path and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{path}: the disk is full", remedy="free some space and run the command again; finished work is kept"
            ) from error
        if error.errno in _REFUSALS and _concerns(error, path):
            raise InputError(
                f"{path}: cannot be written ({error.strerror})",
                expected="a folder you may write to",
                remedy="choose another --runs or --out",
            ) from error
        raise


_REFUSALS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOENT, errno.ENAMETOOLONG,
)  # fmt: skip


def _concerns(error: OSError, path: Path) -> bool:
    """Whether the refusal is about `path`, its surroundings or a folder above it, not about a file that was read
    meanwhile."""
    if error.filename is None:
        return True
    refused = Path(os.fsdecode(error.filename)).absolute()
    home = path.absolute().parent
    return refused.is_relative_to(home) or home.is_relative_to(refused)


def check_output(path: Path) -> None:
    """Refuse a file that could not be written, before the work for it is done."""
    with explained(path):
        _refuse_folder(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        probe.touch()
        probe.unlink()


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder", expected="the name of a file", remedy="add one or choose another")


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    with writing(path) as part:
        part.write_text(json.dumps(value, indent=1, sort_keys=True, default=_plain) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Parse a JSON file; a missing or broken one is an `InputError` naming it."""
    try:
        with open(path, "rb", buffering=0) as file:
            return json.loads(str(file.read(), "utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", remedy="mend or delete it") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})", remedy="restore or delete the file") from error


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    with writing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)


def sha256_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hash of a JSON-like value that does not depend on key order.

    >>> sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """The one text of a JSON-like value: sorted keys, no spaces."""
    return _CANONICAL.encode(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON: {value!r}")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)
