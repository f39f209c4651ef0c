"""One speech on its way through its windows: what the next one continues, and the motion that is finished.

Legend: T frames of a window, F features; all at 15 fps, standardised.
"""

from math import ceil

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.names import dense_speaker
from gesturebench.common.corpus.windows import Window
from gesturebench.common.motion.seams import Joined, window_starts
from gesturebench.methods.remodiffuse.conditions import Conditions, Teller
from gesturebench.methods.remodiffuse.config import RemodiffuseConfig
from gesturebench.methods.remodiffuse.motion import STEP, STORE_FPS, at_store_rate, frames_of, motion_of
from gesturebench.methods.remodiffuse.training_motion import Standard


class Track:
    """Windows are asked for and added in order; `starts` are their first frames, `latest` (T, F) the last one added."""

    def __init__(self, speech: Speech, config: RemodiffuseConfig):
        self.speech, self._frames = speech, config.motion.frames
        self._overlap = config.sampling.overlap
        total = max(1, frames_of(speech.n_frames(STORE_FPS)))
        self.starts = window_starts(total, self._frames, self._overlap)
        self._teller: Teller | None = None
        self._config = config.conditions
        self.latest: Tensor | None = None
        self._joined, self._finished = Joined(self._overlap, anchored=False), []

    def window(self, k: int) -> Window:
        """The k-th window in the frames of the store; it may reach past the end of the speech."""
        return Window(self.speech.clip_id, self.starts[k] * STEP, self._frames * STEP)

    def told(self, k: int) -> Conditions:
        """What the network is told about the k-th window, batch size one."""
        if self._teller is None:
            self._teller = Teller.of(self.speech, self._config)
        return self._teller.window(self.window(k), dense_speaker(self.speech.speaker))

    @property
    def carried(self) -> Tensor:
        """(overlap, F): the frames that the next window begins with."""
        return self.latest[-self._overlap :]

    def add(self, features_TF: Tensor) -> None:
        self.latest = features_TF
        self._finished.append(self._joined.add((features_TF,))[0])

    def motion(self, standard: Standard, betas: np.ndarray) -> Motion:
        """All that was added, at 30 fps, cut to the length of the speech: the path of the root is summed over all
        windows at once."""
        features = torch.cat([*self._finished, self._joined.rest()[0]])
        frames = self.speech.n_frames(STORE_FPS)
        slow = motion_of(standard.back(features[: max(1, ceil(frames / STEP))]), betas)
        return at_store_rate(slow, frames)
