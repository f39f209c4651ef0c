"""Scoring units: which frames of which clip are compared, and how prediction and reference are cut to them.

Legend: T frames at 30 fps.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError

FPS = 30
MAY_LACK = 64
"""Frames that a prediction may lack at the end where lengths may differ: one window of the released models, which drop
what does not fill a window (at most 59 frames of a length that is a multiple of 8)."""

Reference = Literal["captured", "raggesture_export"]
"""`captured`: the motion as recorded. `raggesture_export`: what RAG-Gesture's scripts save as ground truth: every
second frame of the unit, brought back to 30 fps by linear interpolation at half-pixel places, on the mean body shape.
That is a smoothed motion: on the real clip joints turn by up to 0.22 rad (0.017 rad root mean square)."""

Length = Literal["equal", "shorter"]
"""`equal`: a prediction is as long as what it was made for. `shorter`: prediction and reference are cut to the shorter
of the two, as in the released codes, which generate whole windows only; at most `MAY_LACK` frames may be lost."""


class Cut(Config):
    """The scored frames of a clip: all, or only whole seconds (`whole_seconds`), then only a `multiple` of so many
    frames, then consecutive windows of `window` frames; what is left over at the end is not scored."""

    whole_seconds: bool = False
    multiple: int = Field(1, ge=1)
    window: int | None = Field(None, ge=1)

    def spans(self, n_frames: int) -> tuple[tuple[int, int], ...]:
        """First and last + 1 frame of every unit of a clip of `n_frames`.

        >>> Cut(whole_seconds=True, multiple=8).spans(1906), Cut(window=300).spans(700)
        (((0, 1888),), ((0, 300), (300, 600)))
        """
        n = n_frames // FPS * FPS if self.whole_seconds else n_frames
        n -= n % self.multiple
        if self.window is None:
            return ((0, n),) if n else ()
        return tuple((start, start + self.window) for start in range(0, n - self.window + 1, self.window))

    def units(self, clip_id: str, n_frames: int) -> tuple["Unit", ...]:
        """The units of a clip: named after it, or after it and the window's number."""
        spans = self.spans(n_frames)
        if self.window is None:
            return tuple(Unit(clip_id, clip_id, start, stop) for start, stop in spans)
        return tuple(Unit(f"{clip_id}/{k}", clip_id, start, stop) for k, (start, stop) in enumerate(spans))

    def __str__(self) -> str:
        if self.window is not None:
            return f"windows of {self.window} frames"
        parts = ["whole seconds"] * self.whole_seconds + [f"a multiple of {self.multiple} frames"] * (self.multiple > 1)
        return ", ".join(parts) or "whole clips"


@dataclass(frozen=True, slots=True)
class Unit:
    """Frames `start` to `stop` (exclusive) of a clip, scored as one pair."""

    id: str
    clip_id: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Pair:
    """What an evaluator takes in: a prediction and the clip that it is compared with, cut alike; `sample` counts the
    predictions for one unit; `given` (T,) bool are the frames whose poses the method was given, where a protocol says
    so."""

    unit: Unit
    prediction: Motion
    clip: Clip
    sample: int = 0
    given: np.ndarray | None = None


def load_scored(path: Path) -> Motion:
    """A motion file, if it is at the rate that all protocols compare at."""
    from gesturebench.common.motion.export import load_motion

    motion = load_motion(path)
    if motion.fps != FPS:
        raise InputError(
            f"{path}: {motion.fps:g} frames per second", expected=str(FPS), remedy="resample the motion to 30 fps"
        )
    return motion


def matched(
    unit: Unit, prediction: Motion, clip: Clip, length: Length, reference: Reference, *, first: int = 0
) -> Pair:
    """Both sides of a unit, from a clip and a prediction whose frame 0 is the clip's frame `first`.

    In lengths `equal` a prediction that starts with the clip has to end with it too, and any other has to hold all of
    the unit.
    """
    end = first + prediction.n_frames
    if length == "equal" and first == 0 and unit.stop < end != clip.motion.n_frames:
        raise _wrong_length(unit, prediction, f"{clip.motion.n_frames}, the length of the clip")
    if end < unit.stop - (MAY_LACK if length == "shorter" else 0) or end <= unit.start or first > unit.start:
        least = "at least " if length == "shorter" else ""
        needed = unit.stop - first - (MAY_LACK if length == "shorter" else 0)
        raise _wrong_length(unit, prediction, f"{least}{needed} of {unit.id}")
    stop = min(unit.stop, end)
    target = clip.cut(unit.start, stop)
    return Pair(unit, prediction.cut(unit.start - first, stop - first), referenced(target, reference))


def _wrong_length(unit: Unit, prediction: Motion, expected: str) -> InputError:
    return InputError(
        f"prediction for {unit.clip_id}: {prediction.n_frames} frames",
        expected=expected,
        remedy="generate for the whole clip, or score under a protocol of other lengths (`gesturebench protocols`)",
    )


def referenced(clip: Clip, reference: Reference) -> Clip:
    """The clip with the motion that predictions are compared with."""
    if reference == "captured":
        return clip
    from gesturebench.common.motion.resample import decimate, upsample

    motion = upsample(decimate(clip.motion, FPS / 2), FPS, clip.motion.n_frames, "half_pixel")
    return replace(clip, motion=replace(motion, betas=np.zeros_like(motion.betas)))
