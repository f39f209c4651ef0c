"""Entries of a database as columns on the disk: entries.npz, their arrays; names.json, their names."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json, write_npz

ARRAYS, NAMES = "entries.npz", "names.json"


@dataclass(frozen=True, eq=False)
class Columns:
    """Numbered entries: of each the number of its recording among `clips`; whatever else a database knows of them are
    fields of its own, arrays."""

    what: ClassVar[str]
    """What a folder lacks where there are none."""

    clips: tuple[str, ...]
    texts: tuple[str, ...]
    clip: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)

    def save(self, folder: Path) -> None:
        names = {"clips": list(self.clips), "texts": list(self.texts)}
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        write_npz(folder / ARRAYS, **{name: array for name, array in arrays.items() if name not in names})
        write_json(folder / NAMES, names)

    @classmethod
    def load(cls, folder: Path) -> Self:
        if not (folder / NAMES).exists():
            raise InputError(f"{folder}: no {cls.what} ({NAMES} is missing)", remedy="delete it and run again")
        names = read_json(folder / NAMES)
        with np.load(folder / ARRAYS) as arrays:
            return cls(tuple(names["clips"]), tuple(names["texts"]), **arrays)
