"""Where imported weights come from, and what they are: the file `passport.json` beside them. Imports nothing heavy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_file, sha256_json, write_json
from gesturebench.common.progress import Progress, silent

PASSPORT = "passport.json"
FORMAT = 1
_REMEDY = "import the weights again with `gesturebench weights import`"


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: its place in the published folder."""

    path: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path, root: Path) -> Self:
        return cls(path.relative_to(root).as_posix(), sha256_file(path), path.stat().st_size)


def hashed(paths: Sequence[Path], root: Path, progress: Progress = silent) -> Iterator[SourceFile]:
    """Files as they were read, their places below `root`; progress is told in bytes."""
    total, done = sum(path.stat().st_size for path in paths), 0
    for path in paths:
        yield SourceFile.of(path, root)
        done += path.stat().st_size
        progress(done, total)


@dataclass(frozen=True)
class Part:
    """A component: the hashes of its files here by their names, and the published file that its tensors come from."""

    files: Mapping[str, str]
    tensors: int
    parameters: int
    source: str


@dataclass(frozen=True)
class Passport:
    """Imported weights of a method.

    `repository` and `revision` say what was downloaded, where that is known. `sizes` are nested settings of the method
    that the tensors have; `settings` those it was trained or released with and that could be changed; `widths` the
    features per row that it reads, by condition. No time and no path of this machine is in it: equal imports have equal
    passports.
    """

    method: str
    repository: str | None
    revision: str | None
    files: tuple[SourceFile, ...]
    parts: Mapping[str, Part]
    sizes: Mapping[str, Any]
    settings: Mapping[str, Any]
    widths: Mapping[str, int]

    def write(self, folder: Path) -> None:
        write_json(folder / PASSPORT, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The passport of a folder; anything else there is an `InputError`."""
        path = folder / PASSPORT
        if not path.is_file():
            raise InputError(f"{folder}: no imported weights", expected=f"a folder with {PASSPORT}", remedy=_REMEDY)
        values = read_json(path)
        try:
            if values.pop("format") != FORMAT:
                raise InputError(f"{path}: written by another version", expected=f"format {FORMAT}", remedy=_REMEDY)
            files = tuple(SourceFile(**file) for file in values.pop("files"))
            parts = {name: Part(**part) for name, part in values.pop("parts").items()}
            return cls(files=files, parts=parts, **values)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a passport of weights ({error})", remedy=_REMEDY) from error

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts.values())

    @cached_property
    def sha256(self) -> str:
        """The identity of these weights: the passport holds the hashes of all files."""
        return sha256_json(asdict(self))
