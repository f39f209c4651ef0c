"""Files of a repository on the Hugging Face hub in a folder: pinned to a commit, resumed where it broke off, and
checked against the hub's hashes. A token is taken from HF_TOKEN, another host from HF_ENDPOINT.

`huggingface_hub` is an optional dependency (the extra `hub`) and is imported when something is asked for.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Literal

from gesturebench.common.errors import InputError
from gesturebench.common.files import explained, sha256_file

REVISION = "main"
"""What is downloaded where no branch, tag or commit is named: the newest. Which commit that was is told and kept."""


@dataclass(frozen=True)
class Repository:
    """A repository, and the patterns of the files in it that are wanted."""

    name: str
    kind: Literal["model", "dataset"] = "model"
    include: tuple[str, ...] = ("*",)


@dataclass(frozen=True)
class HubFile:
    """A file as the hub describes it; small ones have no sha256 there."""

    path: str
    bytes: int
    sha256: str | None


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit: the wanted files."""

    repository: Repository
    revision: str
    commit: str
    files: tuple[HubFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def look_up(repository: Repository, revision: str = REVISION) -> Snapshot:
    """What the hub has, without downloading it."""
    hub = _hub()
    with _explained(repository, revision, hub):
        info = hub.HfApi().repo_info(repository.name, repo_type=repository.kind, revision=revision, files_metadata=True)
    files = tuple(
        HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None)
        for file in info.siblings or ()
        if any(fnmatch(file.rfilename, pattern) for pattern in repository.include)
    )
    if not files:
        wanted = ", ".join(repository.include)
        raise InputError(f"{repository.name} at {info.sha}: no file named {wanted}", remedy="choose other patterns")
    return Snapshot(repository, revision, info.sha, files)


def download(snapshot: Snapshot, folder: Path, tell: Callable[[HubFile, str], None]) -> None:
    """Files into `folder`; those that are there and whole are not loaded again. `tell(file, sha256)` is called for each
    file once its content is found to be what the hub says.
    """
    hub, repository = _hub(), snapshot.repository
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _require_room(snapshot, folder)
    if not sys.stderr.isatty():
        hub.utils.disable_progress_bars()
    with _explained(repository, snapshot.revision, hub), explained(folder):
        hub.snapshot_download(
            repository.name,
            repo_type=repository.kind,
            revision=snapshot.commit,
            local_dir=folder,
            allow_patterns=list(repository.include),
        )
    for file in snapshot.files:
        tell(file, _checked(file, folder / file.path, repository))


def _checked(file: HubFile, path: Path, repository: Repository) -> str:
    """The sha256 of a file that is as long as the hub says and, where the hub has one, has its hash."""
    if not path.is_file():
        raise InputError(f"{path}: was not downloaded", remedy="run the command again")
    found = sha256_file(path)
    if path.stat().st_size == file.bytes and found == (file.sha256 or found):
        return found
    path.unlink()  # else it would be taken for whole again
    raise InputError(
        f"{path}: is not the file of {repository.name} (sha256 {found[:12]}..., {path.name} removed)",
        expected=f"{file.bytes} bytes" + (f" with sha256 {file.sha256[:12]}..." if file.sha256 else ""),
        remedy="run the command again",
    )


def _require_room(snapshot: Snapshot, folder: Path) -> None:
    there = sum(path.stat().st_size for file in snapshot.files if (path := folder / file.path).is_file())
    free = shutil.disk_usage(folder).free
    if free < snapshot.bytes - there:
        raise InputError(
            f"{folder}: {free / 1e9:.1f} GB are free",
            expected=f"{(snapshot.bytes - there) / 1e9:.1f} GB",
            remedy="choose a folder on another disk, or fewer files",
        )


def _hub() -> ModuleType:
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise InputError(
            f"downloads need the package huggingface_hub ({error})",
            expected="the extra `hub`",
            remedy="pip install 'gesturebench[hub]', or download the files in a browser",
        ) from error
    return huggingface_hub


@contextmanager
def _explained(repository: Repository, revision: str, hub: ModuleType) -> Iterator[None]:
    """The hub's refusals, and its silence, in one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of the hub, httpx or requests: they have no common base
        if type(error).__module__ == "builtins" and not isinstance(error, ConnectionError | TimeoutError):
            raise  # nothing that came over the network
        raise _refusal(repository, revision, hub, error) from error


def _refusal(repository: Repository, revision: str, hub: ModuleType, error: Exception) -> InputError:
    host, errors = hub.constants.ENDPOINT, hub.errors
    at_hand = f"{host}/{'datasets/' if repository.kind == 'dataset' else ''}{repository.name}"
    if isinstance(error, errors.GatedRepoError):
        return InputError(
            f"{at_hand}: closed to you", remedy="accept its terms there, and set HF_TOKEN to a token of yours"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return InputError(f"{at_hand}: no revision {revision!r}", expected="a branch, tag or commit of it")
    if isinstance(error, errors.RepositoryNotFoundError):
        return InputError(f"{at_hand}: not there, or closed to you", remedy="if it is private set HF_TOKEN")
    if isinstance(error, errors.HfHubHTTPError):
        return InputError(f"{at_hand}: refused ({_line(error)})", remedy="run the command again later")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return InputError(f"{at_hand}: HF_HUB_OFFLINE is set", expected="a network", remedy="unset it")
    return InputError(
        f"{at_hand}: cannot be reached ({type(error).__name__}: {_line(error)})",
        expected="a network",
        remedy="run the command again, it goes on where it was; or download the files elsewhere and name their folder",
    )


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")
