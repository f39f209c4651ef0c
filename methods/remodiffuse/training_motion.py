"""Motion features of the training split, standardised once for all that train on them or retrieve them.

Layout of the folder: features.npy (N, F) float32, clip after clip, memory-mapped; statistics.npz with `mean` and `std`
(F,); index.json, written last, of each clip its first row and its number of rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json, write_npz
from gesturebench.common.fitting import FitContext
from gesturebench.methods.remodiffuse.motion import frames_of, motion_features, motion_width

SPLIT = "train"
FEATURES, STATISTICS, INDEX = "features.npy", "statistics.npz", "index.json"
STD_FLOOR = 1e-3
"""What hardly moves (eyes, feet that stand) must not be blown up to the size of what does."""


class Standard:
    """x -> (x - mean) / std and back, feature by feature."""

    def __init__(self, mean_F: np.ndarray, std_F: np.ndarray):
        self.mean, self.std = (np.asarray(values, np.float32) for values in (mean_F, std_F))

    @classmethod
    def load(cls, folder: Path) -> "Standard":
        with np.load(folder / STATISTICS) as arrays:
            return cls(arrays["mean"], arrays["std"])

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.std

    def back(self, rows: Tensor) -> Tensor:
        """(..., F) as networks emit them -> features; gradients pass."""
        return rows * torch.from_numpy(self.std).to(rows) + torch.from_numpy(self.mean).to(rows)


class TrainingMotion:
    """Read access to the standardised features."""

    def __init__(self, folder: Path):
        if not (folder / INDEX).exists():
            raise InputError(f"{folder}: no motion features ({INDEX} is missing)", remedy="delete it and run again")
        self._places: dict[str, tuple[int, int]] = {clip: tuple(at) for clip, at in read_json(folder / INDEX).items()}
        self._rows = np.load(folder / FEATURES, mmap_mode="r").view(np.ndarray)
        self.standard = Standard.load(folder)

    @property
    def width(self) -> int:
        return self._rows.shape[1]

    @property
    def clips(self) -> tuple[str, ...]:
        return tuple(self._places)

    def n_frames(self, clip_id: str) -> int:
        """At 15 fps."""
        return self._places[clip_id][1]

    def rows(self, clip_id: str, start: int, stop: int) -> np.ndarray:
        """(n, F) frames `start` to `stop` (exclusive) at 15 fps, fewer where the clip ends before."""
        first, count = self._places[clip_id]
        return self._rows[first + start : first + min(stop, count)]


def fit_training_motion(values: Mapping[str, Any], context: FitContext) -> None:
    """Write the features of all clips of the training split; `values["expressions"]` says whether those belong."""
    store, width = context.store, motion_width(values["expressions"])
    clips = store.split(SPLIT)
    counts = [frames_of(store.n_frames(clip)) for clip in clips]
    firsts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    rows = np.lib.format.open_memmap(context.out / FEATURES, "w+", np.float32, (firsts[-1], width))
    sums = np.zeros((2, width))
    for done, (clip, first, count) in enumerate(zip(clips, firsts, counts), start=1):
        features = motion_features(store.motion(clip), store.joints, values["expressions"])
        rows[first : first + count] = features
        sums += [features.sum(0, dtype=np.float64), np.square(features, dtype=np.float64).sum(0)]
        context.progress(done, len(clips))
    standard = _standard(sums, firsts[-1])
    for first, count in zip(firsts, counts):
        rows[first : first + count] = standard(rows[first : first + count])
    rows.flush()
    write_npz(context.out / STATISTICS, mean=standard.mean, std=standard.std)
    write_json(context.out / INDEX, {clip: [first, count] for clip, first, count in zip(clips, firsts, counts)})


def _standard(sums: np.ndarray, count: int) -> Standard:
    mean, square = sums / max(count, 1)
    return Standard(mean, np.maximum(np.sqrt(np.maximum(square - mean**2, 0)), STD_FLOOR))
