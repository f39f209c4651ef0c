"""What the training clips tell of a speaker: the shape of the body, and frames to begin a motion with."""

from collections.abc import Sequence

import numpy as np
import torch

from gesturebench.common.corpus.clip import BETA_DIM
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window


def clips_of(store: ClipStore, speaker: int, split: str = "train") -> Sequence[str]:
    """Clips of a speaker, in the order of the split; empty for a speaker who is not in it."""
    return [clip_id for clip_id in store.split(split) if clip_id.split("_")[0] == str(speaker)]


def body_shape(store: ClipStore, speaker: int) -> np.ndarray:
    """(300,) shape of a speaker in the training split; zeros for a speaker who is not in it."""
    clips = clips_of(store, speaker)
    return store.motion(clips[0]).betas if clips else np.zeros(BETA_DIM, np.float32)


def training_start(store: ClipStore, speaker: int, frames: int, generator: torch.Generator) -> Window:
    """A few frames of a training clip, all of them equally likely: of the speaker, else of anybody."""
    clips = clips_of(store, speaker) or store.split("train")
    places = [store.n_frames(clip) - frames + 1 for clip in clips]
    place = int(torch.randint(sum(max(0, n) for n in places), (1,), generator=generator))
    for clip, n in zip(clips, places, strict=True):
        if place < max(0, n):
            return Window(clip, place, frames)
        place -= max(0, n)
    raise AssertionError("a drawn place lies in some clip")
