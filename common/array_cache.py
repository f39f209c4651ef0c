"""Arrays on disk that can be made again: bounded in size, the least recently used go first, for many processes at once.

A file is whole or absent (it is renamed into place) and carries check sums; one that cannot be read counts as missing
and is replaced. Processes need no lock: two that make the same array write the same name, and one that finds a file
gone makes the array again.
"""

import contextlib
import os
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np

from gesturebench.common.files import write_npz

ROOM = 0.9
"""Share of the limit that is kept when it is passed, so that not every write has to make room."""
ABANDONED_S = 3600
"""Age at which an unfinished file was left behind by a process that died."""


class ArrayCache:
    """Arrays by name below a folder, at most `limit_bytes` of them.

    >>> import tempfile
    >>> cache = ArrayCache(Path(tempfile.mkdtemp()), limit_bytes=10**6)
    >>> cache.get("squares") is None
    True
    >>> cache.put("squares", np.arange(4) ** 2)
    >>> cache.get("squares")
    array([0, 1, 4, 9])
    """

    def __init__(self, folder: Path, limit_bytes: int):
        self.folder, self.limit_bytes = Path(folder), limit_bytes

    def get(self, name: str) -> np.ndarray | None:
        """The array, None if there is none or its file is damaged; a hit counts as use."""
        path = self._path(name)
        try:
            with np.load(path) as arrays:
                array = arrays["array"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None
        with contextlib.suppress(OSError):  # gone meanwhile, or a folder that is only read
            os.utime(path)
        return array

    def put(self, name: str, array: np.ndarray) -> None:
        """Store it and make room; an array that alone exceeds the limit is not stored."""
        if array.nbytes > self.limit_bytes:
            return
        write_npz(self._path(name), array=array)
        self._make_room(keep=self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _make_room(self, keep: Path) -> None:
        """Remove the files used longest ago until the rest fits."""
        files, total = [], 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # another process was faster
                status = path.stat()
                if path.suffix == ".npz":
                    files.append((status.st_mtime_ns, status.st_size, path))
                    total += status.st_size
                elif path.suffix == ".part" and time.time() - status.st_mtime > ABANDONED_S:
                    path.unlink()
        if total <= self.limit_bytes:
            return
        for _, size, path in sorted(files):
            if total <= ROOM * self.limit_bytes:
                return
            if path != keep:
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= size
