"""One speech on its way through its windows: what the network is told of each, and the motion so far.

Legend: T frames of a window, n seed frames, F features as the network sees them, A numbers of a row of speech.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.pose_features import WIDTH, given_features, pose_features
from gesturebench.common.cross_local.starts import Start
from gesturebench.common.cross_local.stitching import Blend, Layout, Stitching
from gesturebench.common.cross_local.training_poses import Standard
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import JOINT, N_JOINTS


class Given(NamedTuple):
    """Motion that is known: features (T, F), and where they are known (T, F) bool."""

    rows: Tensor
    mask: Tensor

    @classmethod
    def of(cls, motion: Motion, mask_TJ: np.ndarray, standard: Standard) -> "Given":
        """The joints of a motion where `mask` (T, 55) is true; the motion need not be one elsewhere."""
        if mask_TJ.shape != (motion.n_frames, N_JOINTS):
            raise InputError(f"a mask of shape {mask_TJ.shape}", expected=f"({motion.n_frames}, {N_JOINTS})")
        mask = standard.mask(torch.from_numpy(given_features(np.asarray(mask_TJ, bool))))
        return cls(torch.where(mask, standard.rows(pose_features(motion)), 0.0), mask)

    @classmethod
    def nothing(cls, frames: int, width: int) -> "Given":
        return cls(torch.zeros(frames, width), torch.zeros(frames, width, dtype=torch.bool))


class Track:
    """Windows are asked for and added in order."""

    def __init__(
        self,
        frames: int,
        audio_TA: Tensor,
        start: Start,
        sizes: CrossLocalSizes,
        *,
        given: Given | None = None,
        blend: Blend = "intended",
    ):
        if frames < 1:
            raise InputError(f"a speech of {frames} frames", expected="1 or more", remedy="take a longer one")
        self.layout = Layout(frames, sizes.frames, sizes.seed_frames)
        self._sizes = sizes
        self._audio = self.layout.padded(start.audio, audio_TA[:frames])
        given = Given.nothing(0, start.poses.shape[1]) if given is None else given
        before = Given.nothing(sizes.seed_frames, start.poses.shape[1])
        self._given = Given(*(self.layout.padded(a, b[:frames]) for a, b in zip(before, given)))
        self._stitching = Stitching(start.poses, blend=blend)

    @property
    def windows(self) -> int:
        return self.layout.count

    @property
    def seed(self) -> Tensor:
        """(n, F): the frames with which the next window begins."""
        return self._stitching.seed

    def heard(self, k: int) -> Tensor:
        """(frames whose speech is heard, A) of the k-th window."""
        first = self.layout.starts[k] + (self._sizes.seed_frames if self._sizes.attention > 3 else 0)
        return self._audio[first : self.layout.starts[k] + self._sizes.frames]

    def given(self, k: int) -> Given:
        """(T, F) of the k-th window."""
        first = self.layout.starts[k]
        return Given(*(rows[first : first + self._sizes.frames] for rows in self._given))

    def put_back(self, features_TF: Tensor, standard: Standard) -> Tensor:
        """The features (frames, 333) of the speech, as they were given where they were."""
        rows, mask = (self.layout.kept(part) for part in self._given)
        return torch.where(mask[:, :WIDTH], standard.back(rows), features_TF)

    def add(self, window_TF: Tensor) -> None:
        self._stitching.add(window_TF)

    def rows(self) -> Tensor:
        """(frames, F) of the speech, when all windows were added."""
        return self.layout.kept(self._stitching.joined())


def walk(tracks: Sequence[Track], sample: Callable[[list[int], int], Iterable[Tensor]]) -> None:
    """Take all tracks through their windows in step. `sample` makes the k-th window (T, F) of those that have one, by
    their numbers."""
    for k in range(max((track.windows for track in tracks), default=0)):
        going = [number for number, track in enumerate(tracks) if k < track.windows]
        for number, window in zip(going, sample(going, k), strict=True):
            tracks[number].add(window)


def standing_at(motion: Motion, mask_TJ: np.ndarray) -> tuple[float, float]:
    """(x, z) where a motion begins of which this much is given: the origin, unless the first pelvis is."""
    if not mask_TJ[0, JOINT["pelvis"]]:
        return 0.0, 0.0
    x, _, z = motion.trans[0]
    return float(x), float(z)
