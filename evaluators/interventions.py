"""Interventions: known damage to captured motion, under which a metric shows what it sees and what it is blind to.

Legend: T frames. An intervention turns a clip into a pair (prediction, clip) as an evaluator is given it: it damages
the prediction, which is the clip's own or another clip's captured motion, or the speech. Nothing is generated, and
equal seeds give equal pairs whatever the order.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion, Speech
from gesturebench.common.motion.resample import upsample
from gesturebench.common.motion.skeleton import JOINT, JOINT_NAMES, N_JOINTS
from gesturebench.common.seeds import numpy_generator

Pair = tuple[Motion, Clip]

NOISE_RAD = (0.02, 0.1, 0.3)
AMPLITUDES = (1.3, 0.9, 0.7, 0.5, 0.25)
SHIFTS_MS = (-250, -150, -70, 70, 150, 250)


@dataclass(frozen=True, eq=False)
class Pool:
    """What an intervention may draw on beside the clip: all clips of the test, which half of the corpus each belongs to
    (clips without one are in half 0), and a seed."""

    clips: tuple[Clip, ...]
    halves: Mapping[str, int]
    seed: int = 0

    @property
    def speakers(self) -> list[int]:
        return sorted({clip.speech.speaker for clip in self.clips})

    def half(self, clip: Clip) -> int:
        return self.halves.get(clip.id, 0)


@dataclass(frozen=True)
class Intervention:
    """One kind of damage (`family`) at one `strength` (in `unit`; no unit where there is only one strength)."""

    family: str
    act: Callable[[Clip, Pool], Pair]
    strength: float = 0.0
    unit: str = ""

    @property
    def name(self) -> str:
        """`noise 0.1 rad`, `speech shifted +250 ms`, `mirrored`."""
        return f"{self.family} {self.strength_words} {self.unit}" if self.unit else self.family

    @property
    def strength_words(self) -> str:
        return f"{self.strength:+g}" if self.unit == "ms" else f"{self.strength:g}"


GROUND_TRUTH = Intervention("ground truth", lambda clip, pool: (clip.motion, clip))


def interventions(pool: Pool) -> Iterator[Intervention]:
    """Every intervention that these clips allow, the ground truth first: other speakers need a second speaker, other
    clips a second clip."""
    yield GROUND_TRUTH
    if len(pool.clips) > 1:
        yield ANOTHER_CLIP
    if len(pool.speakers) > 1:
        yield Intervention("one speaker only", one_speaker)
    for strength in NOISE_RAD:
        yield _on_motion("noise", partial(noisy, strength), strength, "rad")
    for strength in AMPLITUDES:
        yield _on_motion("amplitude", lambda motion, clip, pool, s=strength: scaled(motion, s), strength, "x")
    for family, change in (("frozen", frozen), ("mirrored", mirrored), ("reversed", backwards), ("slowed", slowed)):
        yield _on_motion(family, lambda motion, clip, pool, change=change: change(motion))
    yield _on_motion("frames shuffled", shuffled)
    for strength in SHIFTS_MS:
        yield _on_motion(
            "motion shifted", lambda motion, clip, pool, s=strength: late(motion, s / 1000), strength, "ms"
        )
    for strength in SHIFTS_MS:
        yield Intervention("speech shifted", partial(_speech_shifted, strength / 1000), strength, "ms")


def _on_motion(
    family: str, change: Callable[[Motion, Clip, Pool], Motion], strength: float = 0.0, unit: str = ""
) -> Intervention:
    return Intervention(family, lambda clip, pool: (change(clip.motion, clip, pool), clip), strength, unit)


def another_clip(clip: Clip, pool: Pool) -> Pair:
    """Real motion that belongs to other words: every clip gets the motion of the next one of its half, of the same
    speaker where there is one. Over all clips the set of motions is that of the ground truth."""
    own = [other for other in pool.clips if pool.half(other) == pool.half(clip)]
    own = sorted(own, key=lambda other: (other.speech.speaker, other.id))
    place = next(i for i, other in enumerate(own) if other is clip)
    return as_long_as(own[(place + 1) % len(own)].motion, clip.motion.n_frames), clip


ANOTHER_CLIP = Intervention("another clip's motion", another_clip)


def one_speaker(clip: Clip, pool: Pool) -> Pair:
    """Real motion of the speaker with most clips (the smallest number of equals) for everybody, clip after clip."""
    numbers = [other.speech.speaker for other in pool.clips]
    speaker = max(pool.speakers, key=numbers.count)
    theirs = [other.motion for other in pool.clips if other.speech.speaker == speaker]
    place = next(i for i, other in enumerate(pool.clips) if other is clip)
    return as_long_as(theirs[place % len(theirs)], clip.motion.n_frames), clip


def as_long_as(motion: Motion, n_frames: int) -> Motion:
    """The motion cut to `n_frames`, or continued there and back so that nothing jumps."""
    return _frames(
        motion, np.pad(np.arange(motion.n_frames), (0, max(n_frames - motion.n_frames, 0)), "reflect")[:n_frames]
    )


def noisy(strength_rad: float, motion: Motion, clip: Clip, pool: Pool) -> Motion:
    """White noise of standard deviation `strength_rad` on every axis-angle channel of every frame."""
    noise = numpy_generator("noise", pool.seed, clip.id, strength_rad).normal(0, strength_rad, motion.poses.shape)
    return replace(motion, poses=(motion.poses + noise).astype(motion.poses.dtype))


def scaled(motion: Motion, factor: float) -> Motion:
    """Deviations from the clip's mean, of axis-angle, expressions and place, times `factor`."""

    def about_mean(values: np.ndarray) -> np.ndarray:
        mean = values.mean(0, dtype=np.float64)
        return (mean + factor * (values - mean)).astype(values.dtype)

    return _changed(motion, about_mean)


def frozen(motion: Motion) -> Motion:
    """The clip's middle frame, held."""
    return _frames(motion, np.full(motion.n_frames, motion.n_frames // 2))


def backwards(motion: Motion) -> Motion:
    return _frames(motion, np.arange(motion.n_frames)[::-1])


def shuffled(motion: Motion, clip: Clip, pool: Pool) -> Motion:
    """The clip's frames in random order."""
    return _frames(motion, numpy_generator("shuffled", pool.seed, clip.id).permutation(motion.n_frames))


def slowed(motion: Motion) -> Motion:
    """The first half at half speed."""
    half = motion.cut(0, (motion.n_frames + 1) // 2)
    return replace(upsample(half, 2 * motion.fps, motion.n_frames), fps=motion.fps)


def late(motion: Motion, seconds: float) -> Motion:
    """The motion `seconds` later, by whole frames (earlier if negative); the first, or last, frame fills the gap."""
    shift = round(seconds * motion.fps)
    return _frames(motion, np.clip(np.arange(motion.n_frames) - shift, 0, motion.n_frames - 1))


def mirrored(motion: Motion) -> Motion:
    """The motion in a mirror: left and right joints change places, x -> -x.

    A rotation vector is an axial vector: (x, y, z) -> (x, -y, -z). Body shape and expressions are left as they are:
    their coefficients have no known mirror image.
    """
    poses = motion.poses.reshape(-1, N_JOINTS, 3)[:, OTHER_SIDE] * np.float32((1, -1, -1))
    return replace(motion, poses=poses.reshape(motion.poses.shape), trans=motion.trans * np.float32((-1, 1, 1)))


def _other_side(name: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


OTHER_SIDE = [JOINT[_other_side(name)] for name in JOINT_NAMES]
"""The joint whose rotation each joint takes in a mirror."""


def _speech_shifted(seconds: float, clip: Clip, pool: Pool) -> Pair:
    return clip.motion, replace(clip, speech=shifted_speech(clip.speech, seconds))


def shifted_speech(speech: Speech, seconds: float) -> Speech:
    """Sound and annotations `seconds` later (earlier if negative) in a recording of the same length; silence, or what
    was recorded after the end, fills the gap."""
    shift, n = round(seconds * SAMPLE_RATE), len(speech.audio)
    sound = np.concatenate([np.zeros(max(shift, 0), np.float32), speech.audio, speech.tail])[max(-shift, 0) :]
    sound = np.pad(sound, (0, max(n - len(sound), 0)))
    lists = {f.name: getattr(speech, f.name) for f in fields(speech) if isinstance(getattr(speech, f.name), tuple)}
    moved = {name: _moved(records, shift / SAMPLE_RATE, speech.duration_s) for name, records in lists.items()}
    return replace(speech, audio=sound[:n], tail=sound[n:], **moved)


def _moved(records: tuple[Any, ...], seconds: float, duration_s: float) -> tuple[Any, ...]:
    """Records with all their times moved and clipped to the recording; what lies outside it altogether is dropped."""
    moved = []
    for record in records:
        times = {f.name: getattr(record, f.name) + seconds for f in fields(record) if f.name.endswith("_s")}
        if max(times.values()) > 0 and min(times.values()) < duration_s:
            moved.append(replace(record, **{name: min(max(t, 0.0), duration_s) for name, t in times.items()}))
    return tuple(moved)


def _frames(motion: Motion, index: np.ndarray) -> Motion:
    return _changed(motion, lambda values: values[index])


def _changed(motion: Motion, change: Callable[[np.ndarray], np.ndarray]) -> Motion:
    """Every array that has one row per frame, changed alike."""
    return replace(
        motion,
        poses=change(motion.poses),
        expressions=change(motion.expressions),
        trans=change(motion.trans),
    )
