"""What the first window of a speech continues. Legend: n seed frames, F features, A numbers of a row of speech."""

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.corpus.speakers import training_start
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.cross_local.pose_features import pose_features
from gesturebench.common.cross_local.speech import CorpusSpeech
from gesturebench.common.cross_local.training_poses import Standard, mean_pose

StartKind = Literal["training", "mean"]
"""`training`: frames of a training clip of the speaker, and what was said in them; `mean`: the speaker standing in the
mean pose, in silence (zeros), as released."""


class Start(NamedTuple):
    """Poses (n, F) as the network sees them, and what is heard meanwhile (n, A)."""

    poses: Tensor
    audio: Tensor


class Starts:
    """Draws starts of `frames` frames; `poses` is the artifact of `fit_training_poses`."""

    def __init__(self, kind: StartKind, frames: int, store: ClipStore, poses: Path, standard: Standard):
        self._kind, self._frames, self._store = kind, frames, store
        self._poses, self._standard = poses, standard

    def of(self, speech: Speech, audio: CorpusSpeech, width: int, generator: torch.Generator) -> Start:
        """For a speech of which a row has `width` numbers."""
        if self._kind == "mean":
            pose = torch.from_numpy(mean_pose(self._poses, speech.speaker)).expand(self._frames, -1)
            return Start(self._standard.rows(pose), torch.zeros(self._frames, width))
        window = training_start(self._store, speech.speaker, self._frames, generator)
        motion = self._store.window(window.clip_id, window.start, window.length)[0]
        return Start(self._standard.rows(pose_features(motion)), audio.window(window))
