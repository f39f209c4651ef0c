"""Which windows of the training split are drawn. Windows are counted in frames of the clip store, 30 per second."""

from bisect import bisect_right
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.windows import Window
from gesturebench.methods.remodiffuse.motion import STEP
from gesturebench.methods.remodiffuse.training_motion import TrainingMotion


class TrainingWindows:
    """Windows of `frames` frames at 15 fps, uniformly out of all that begin at a multiple of `stride` of them and fit
    into a clip; a clip that is shorter is one window.
    """

    def __init__(self, motion: TrainingMotion, frames: int, stride: int = 1):
        self._motion, self._frames, self._stride = motion, frames, stride
        self._clips = motion.clips
        self._ends = list(accumulate(self._starts(clip) for clip in self._clips))

    def __len__(self) -> int:
        return self._ends[-1]

    def _starts(self, clip_id: str) -> int:
        return max(0, self._motion.n_frames(clip_id) - self._frames) // self._stride + 1

    def draw(self, count: int, generator: torch.Generator) -> list[Window]:
        return [self.window(place) for place in torch.randint(len(self), (count,), generator=generator).tolist()]

    def window(self, place: int) -> Window:
        """The window of that number."""
        clip = bisect_right(self._ends, place)
        start = (place - (self._ends[clip - 1] if clip else 0)) * self._stride
        return Window(self._clips[clip], start * STEP, self._frames * STEP)

    def motion(self, windows: list[Window]) -> tuple[Tensor, Tensor]:
        """Standardised features (B, T, F), zeros past the end of a clip, and masks (B, T) of what is motion."""
        features = np.zeros((len(windows), self._frames, self._motion.width), np.float32)
        mask = torch.zeros(len(windows), self._frames)
        for row, window in enumerate(windows):
            start = window.start // STEP
            rows = self._motion.rows(window.clip_id, start, start + self._frames)
            features[row, : len(rows)], mask[row, : len(rows)] = rows, 1.0
        return torch.from_numpy(features), mask
