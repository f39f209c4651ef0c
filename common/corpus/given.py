"""Poses that a protocol gives a method beside the speech: in which frames of a scoring window, and whose they are.

Legend: T frames of a window, k of them given.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.units import Pair, Unit
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import EYES, JAW, N_JOINTS, pose_channels

Placement = Literal["even", "random"]
"""`even`: the middles of equal parts of the window. `random`: drawn for each window and seed of a run."""

Source = Literal["own", "foreign"]
"""`own`: the window's true poses, all of them. `foreign`: poses of other clips of the speaker in training, body and
hands relative to the pelvis: where the body stands and faces there means nothing here."""

_PELVIS = 0
FOREIGN_JOINTS = tuple(j for j in range(N_JOINTS) if j not in (_PELVIS, *JAW, *EYES))


class Given(Config):
    """`frames` of each scoring window are given, and the first `start` of it if its true beginning is; the window is
    then a speech of its own, of which nothing before or after is known."""

    frames: int = Field(ge=1)
    placement: Placement = "even"
    source: Source = "own"
    start: int = Field(0, ge=0)

    @property
    def joints(self) -> tuple[int, ...]:
        return tuple(range(N_JOINTS)) if self.source == "own" else FOREIGN_JOINTS

    def indices(self, unit: Unit, draw: int) -> np.ndarray:
        """(k,) frames of the window, rising."""
        n_frames = unit.stop - unit.start
        if self.placement == "even":
            return control_indices(n_frames, self.frames)
        from gesturebench.common.seeds import numpy_generator

        generator = numpy_generator("given frames", draw, unit.id)
        return np.sort(generator.choice(n_frames, self.frames, replace=False))

    def shown(self, unit: Unit, motion: Motion, store, draw: int) -> "Shown":
        """What is given of a window whose true `motion` is known. `store` is a `ClipStore`, read for foreign poses."""
        frames = np.isin(np.arange(motion.n_frames), self.indices(unit, draw))
        if self.source == "foreign":
            motion = _with_foreign_poses(motion, np.flatnonzero(frames), unit, store, draw)
        return Shown(motion, frames, self.joints, self.start)


@dataclass(frozen=True, eq=False)
class Shown:
    """A window's motion with what is given of it: in `frames` (T,) bool these `joints`, in the first `start` frames
    all."""

    motion: Motion
    frames: np.ndarray
    joints: tuple[int, ...]
    start: int = 0

    @property
    def mask(self) -> np.ndarray:
        """(T, 55) bool."""
        mask = self.frames[:, None] & np.isin(np.arange(N_JOINTS), self.joints)
        mask[: self.start] = True
        return mask


def control_indices(n_frames: int, k: int) -> np.ndarray:
    """(k,) frames floor((j + 1/2) / k x T): the middles of k equal parts.

    >>> control_indices(64, 3).tolist()
    [10, 32, 53]
    """
    return ((np.arange(k) + 0.5) / max(k, 1) * n_frames).astype(np.int64)


def as_given(pair: Pair, given: Given | None, store, draw: int = 0) -> Pair:
    """The pair with the frames that were given; the reference holds foreign poses where they were asked for."""
    if given is None:
        return pair
    shown = given.shown(pair.unit, pair.clip.motion, store, draw)
    return replace(pair, clip=replace(pair.clip, motion=shown.motion), given=shown.frames)


def _with_foreign_poses(motion: Motion, frames: np.ndarray, unit: Unit, store, draw: int) -> Motion:
    """The motion with a pose of another recording, body and hands, in each of `frames`."""
    from gesturebench.common.seeds import numpy_generator

    speaker = unit.clip_id.split("_")[0]
    clips = sorted(i for i in store.split("train") if i.split("_")[0] == speaker and i != unit.clip_id)
    if not clips:
        raise InputError(
            f"no training clip of speaker {speaker} to take poses from for {unit.id}",
            expected="at least one clip of the speaker in the training split",
            remedy="choose a protocol that gives the clip's own poses",
        )
    generator, poses = numpy_generator("given poses", draw, unit.id), np.array(motion.poses)
    channels = pose_channels(FOREIGN_JOINTS)
    for frame in frames:
        clip = clips[generator.integers(len(clips))]
        poses[frame, channels] = store.motion(clip).poses[generator.integers(store.n_frames(clip))][channels]
    return replace(motion, poses=poses)
