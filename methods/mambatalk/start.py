"""The frames that a motion starts with: out of the training clips, at rest, or given. Legend: N frames, M channels."""

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.prior_windows import PriorWindows, motion_channels, stacked
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.speakers import training_start
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.motion.parts import foot_contact
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.common.seeds import torch_generator

SPLIT = "train"
X, Z = 6 * N_JOINTS, 6 * N_JOINTS + 2
"""Where the translation stands among the motion channels."""


class Starts:
    """The first frames (N, M) of motions."""

    def __init__(self, store: ClipStore, frames: int):
        self._store, self._frames = store, frames
        self._windows = PriorWindows(store, SPLIT, frames, 1)

    def training(self, speaker: int, seed: int, clip_id: str) -> Tensor:
        """Drawn by seed and clip: neighbouring frames of a training clip of the speaker, moved to the origin."""
        generator = torch_generator("mambatalk", "start", seed, clip_id)
        rows = self._windows.channels([training_start(self._store, speaker, self._frames, generator)])[0]
        rows[:, [X, Z]] -= rows[0, [X, Z]].clone()
        return rows

    def given(self, motion: Motion) -> Tensor:
        """The first frames of a motion, which stands still at its end if it is shorter."""
        contact = foot_contact(motion.cut(0, self._frames + 1), self._store.joints)
        at = np.arange(self._frames).clip(max=motion.n_frames - 1)
        return motion_channels(*(stacked(x[at]) for x in (motion.poses, motion.trans, contact)))

    def rest(self) -> Tensor:
        """The rest pose at the origin, without contact."""
        return motion_channels(*(torch.zeros(self._frames, width) for width in (165, 3, 4)))
