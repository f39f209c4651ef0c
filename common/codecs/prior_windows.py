"""Training windows of motion at 30 frames a second as the priors read them: part features with absolute translation.

Legend: B windows, T frames, F features of a part.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import RandomWindows, Window
from gesturebench.common.motion.parts import contacts
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import FEET, N_JOINTS, PART_JOINTS, PART_NAMES

FPS = 30
EXPRESSIONS = slice(6, 106)
"""Channels of the face."""
ROTATIONS, TRANSLATION, CONTACT = slice(0, 54), slice(54, 57), slice(57, 61)
"""Channels of the lower body, and of global motion, whose translation is (vx, y, vz)."""
CHANNELS = 6 * N_JOINTS + 7
"""Of a whole motion as the methods read it: 55 x 6D, translation 3, contact 4."""


def motion_channels(poses: Tensor, trans: Tensor, contact: Tensor) -> Tensor:
    """Axis-angle (..., 165), translation (..., 3), contact (..., 4) -> (..., 337)."""
    return torch.cat((axis_angle_to_6d(poses.unflatten(-1, (N_JOINTS, 3))).flatten(-2), trans, contact), -1)


def part_rows(channels: Tensor, expressions: Tensor, parts: Sequence[str] = PART_NAMES) -> dict[str, Tensor]:
    """(..., 337) and expressions (..., 100) -> features (..., F) by part, cut out of the channels."""
    six = channels[..., : 6 * N_JOINTS].unflatten(-1, (N_JOINTS, 6))
    beside = {"face": (expressions,), "lower": (channels[..., 6 * N_JOINTS :],)}
    return {
        part: torch.cat((six[..., list(PART_JOINTS[part]), :].flatten(-2), *beside.get(part, ())), -1) for part in parts
    }


class PriorWindows:
    """Random windows of a split that start at multiples of `stride`; a window is drawn as often as its clip is long."""

    def __init__(self, store: ClipStore, split: str, frames: int = 64, stride: int = 20):
        self._store, self._random = store, RandomWindows(store, split, frames, stride)
        self._feet: dict[str, np.ndarray] = {}

    def draw(self, count: int, generator: torch.Generator) -> list[Window]:
        return self._random.draw(count, generator)

    def channels(self, windows: Sequence[Window]) -> Tensor:
        """(B, T, 337): all joints as 6D, absolute translation, foot contact."""
        cuts = [self._cut(window) for window in windows]
        poses, trans = (stacked([getattr(cut, name) for cut in cuts]) for name in ("poses", "trans"))
        return motion_channels(poses, trans, stacked([self._contact_in(window) for window in windows]))

    def expressions(self, windows: Sequence[Window]) -> Tensor:
        """(B, T, 100)."""
        return stacked([self._cut(window).expressions for window in windows])

    def betas(self, windows: Sequence[Window]) -> Tensor:
        """(B, 300)."""
        return stacked([self._cut(window).betas for window in windows])

    def features(self, windows: Sequence[Window], parts: Sequence[str] = PART_NAMES) -> dict[str, Tensor]:
        """(B, T, F) of every asked part; no other joint is converted."""
        poses = stacked([self._cut(window).poses for window in windows]).unflatten(-1, (N_JOINTS, 3))
        six = {part: axis_angle_to_6d(poses[..., list(PART_JOINTS[part]), :]).flatten(-2) for part in parts}
        return {part: torch.cat((rows, *self._beside_joints(part, windows)), -1) for part, rows in six.items()}

    def feet(self, windows: Sequence[Window]) -> Tensor:
        """(B, T, 4, 3) metres: ankles and feet of the posed body."""
        return stacked([self._feet_of(w.clip_id)[w.start : w.start + w.length] for w in windows])

    def _beside_joints(self, part: str, windows: Sequence[Window]) -> tuple[Tensor, ...]:
        if part == "face":
            return (self.expressions(windows),)
        if part == "lower":
            trans = stacked([self._cut(window).trans for window in windows])
            return trans, stacked([self._contact_in(window) for window in windows])
        return ()

    def _cut(self, window: Window) -> Motion:
        return self._store.motion(window.clip_id).cut(window.start, window.start + window.length)

    def _contact_in(self, window: Window) -> np.ndarray:
        """Of the window's last frame too: the clip's next one tells it."""
        feet = self._feet_of(window.clip_id)[window.start : window.start + window.length + 1]
        return contacts(feet)[: window.length]

    def _feet_of(self, clip_id: str) -> np.ndarray:
        """(T, 4, 3) of a whole clip, computed once."""
        if clip_id not in self._feet:
            self._feet[clip_id] = self._store.joints.positions(self._store.motion(clip_id))[:, FEET]
        return self._feet[clip_id]


def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    """Equal arrays, possibly read-only views, -> (B, ...) float32."""
    return torch.from_numpy(np.stack(arrays).astype(np.float32))
