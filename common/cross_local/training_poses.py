"""The motion of the training split as features, made once for all that train on them, and how they are standardised.

Layout of the folder: features.npy (N, 333) float32, standardised, clip after clip, memory-mapped; statistics.npz with
`mean` and `std` (333,), `speakers` (S,) and of each its mean pose, `poses` (S, 333); index.json, written last, of each
clip its first row and its number of rows.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.names import ClipName
from gesturebench.common.corpus.windows import Window
from gesturebench.common.cross_local.pose_features import (
    VELOCITY,
    WIDTH,
    Differences,
    pose_features,
    pose_width,
    with_differences,
)
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json, write_npz
from gesturebench.common.fitting import FitContext

SPLIT = "train"
FEATURES, STATISTICS, INDEX = "features.npy", "statistics.npz", "index.json"
STD_FLOOR = 0.01
"""As published: what hardly moves (eyes, feet that stand) must not be blown up to the size of what does."""


class Standard:
    """x -> (x - mean) / std and back, feature by feature, and differences beside them where they are denoised too."""

    def __init__(self, mean_F: np.ndarray, std_F: np.ndarray, differences: Differences = "none"):
        self.mean, self.std = (torch.from_numpy(np.asarray(values, np.float32)) for values in (mean_F, std_F))
        self.differences = differences

    @classmethod
    def load(cls, folder: Path, differences: Differences = "none") -> "Standard":
        with np.load(folder / STATISTICS) as arrays:
            return cls(arrays["mean"], arrays["std"], differences)

    @property
    def width(self) -> int:
        return pose_width(self.differences)

    def rows(self, features_TF: Tensor | np.ndarray) -> Tensor:
        """(..., T, 333) features -> (..., T, width) as the network sees them."""
        return self.with_differences((torch.as_tensor(features_TF) - self.mean) / self.std)

    def with_differences(self, rows_TF: Tensor) -> Tensor:
        """(..., T, 333) standardised -> (..., T, width)."""
        return with_differences(rows_TF) if self.differences == "two" else rows_TF

    def mask(self, mask_TF: Tensor) -> Tensor:
        """(..., T, 333) bool -> (..., T, width): a difference is given where all that it is formed of is."""
        if self.differences == "none":
            return mask_TF
        first = _with_the_one_before(mask_TF)
        return torch.cat((mask_TF, first, _with_the_one_before(first)), -1)

    def back(self, rows_TF: Tensor) -> Tensor:
        """(..., T, width) as networks emit them -> (..., T, 333) features."""
        return rows_TF[..., :WIDTH] * self.std + self.mean


def mean_pose(folder: Path, speaker: int) -> np.ndarray:
    """(333,) features of a speaker who stands still in the mean of all poses; of somebody unknown that of all."""
    with np.load(folder / STATISTICS) as arrays:
        known = arrays["speakers"] == speaker
        pose = arrays["poses"][known][0] if known.any() else arrays["mean"]
    pose = pose.copy()
    pose[VELOCITY] = 0.0
    return pose


def _with_the_one_before(mask_TF: Tensor) -> Tensor:
    return mask_TF & torch.cat((mask_TF[..., :1, :], mask_TF[..., :-1, :]), -2)


class TrainingPoses:
    """Read access to the standardised features."""

    def __init__(self, folder: Path, differences: Differences = "none"):
        if not (folder / INDEX).exists():
            raise InputError(f"{folder}: no pose features ({INDEX} is missing)", remedy="delete it and run again")
        self._places: dict[str, tuple[int, int]] = {clip: tuple(at) for clip, at in read_json(folder / INDEX).items()}
        self._rows = np.load(folder / FEATURES, mmap_mode="r").view(np.ndarray)
        self.standard = Standard.load(folder, differences)

    @property
    def clips(self) -> tuple[str, ...]:
        return tuple(self._places)

    def n_frames(self, clip_id: str) -> int:
        return self._places[clip_id][1]

    def window(self, window: Window) -> Tensor:
        """(T, width) as the network sees it."""
        first, count = self._places[window.clip_id]
        rows = self._rows[first + window.start : first + min(window.start + window.length, count)]
        return self.standard.with_differences(torch.from_numpy(np.array(rows)))


def fit_training_poses(values: Mapping[str, Any], context: FitContext) -> None:
    """Write the features of all clips of the training split; there is nothing to choose."""
    store = context.store
    clips = store.split(SPLIT)
    counts = [store.n_frames(clip) for clip in clips]
    firsts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    rows = np.lib.format.open_memmap(context.out / FEATURES, "w+", np.float32, (firsts[-1], WIDTH))
    sums: dict[int, np.ndarray] = defaultdict(lambda: np.zeros((3, WIDTH)))
    for done, (clip, first, count) in enumerate(zip(clips, firsts, counts), start=1):
        features = pose_features(store.motion(clip)).astype(np.float64)
        rows[first : first + count] = features
        sums[ClipName.parse(clip).speaker] += [features.sum(0), np.square(features).sum(0), np.full(WIDTH, count)]
        context.progress(done, len(clips))
    mean, std = _moments(sum(sums.values()))
    for first, count in zip(firsts, counts):
        rows[first : first + count] = (rows[first : first + count] - mean) / std
    rows.flush()
    poses = np.stack([_moments(of_speaker)[0] for of_speaker in sums.values()])
    write_npz(context.out / STATISTICS, mean=mean, std=std, speakers=np.array(list(sums)), poses=poses)
    write_json(context.out / INDEX, {clip: [first, count] for clip, first, count in zip(clips, firsts, counts)})


def _moments(sums_3F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and floored deviation out of sums, sums of squares, and counts."""
    mean, square = sums_3F[:2] / sums_3F[2]
    std = np.maximum(np.sqrt(np.maximum(square - mean**2, 0)), STD_FLOOR)
    return mean.astype(np.float32), std.astype(np.float32)
