"""Flat `.npy` files that are made at full length first and then filled in any order, also by several processes."""

import os
from pathlib import Path

import numpy as np


def allocate(path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    """A file of zeros that takes no room on the disk until it is written to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)


class FlatFile:
    """An allocated file, open for writing. Rows reach it by their place, so writers of disjoint rows never meet."""

    def __init__(self, path: Path):
        array = np.load(path, mmap_mode="r")
        self.dtype, self.shape, self._offset = array.dtype, array.shape, array.offset
        self._bytes_per_row = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        self._file = os.open(path, os.O_WRONLY)

    def write(self, row: int, rows: np.ndarray) -> None:
        if row + len(rows) > self.shape[0] or rows.shape[1:] != self.shape[1:]:
            raise ValueError(f"rows of shape {rows.shape} at {row} do not fit into {self.shape}")
        data, at = (
            memoryview(np.ascontiguousarray(rows, self.dtype)).cast("B"),
            self._offset + row * self._bytes_per_row,
        )
        while data:
            written = os.pwrite(self._file, data, at)
            data, at = data[written:], at + written

    def close(self) -> None:
        """Everything written is on the disk when this returns."""
        os.fsync(self._file)
        os.close(self._file)
