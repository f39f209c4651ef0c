"""The data that flows through the suite: a clip is speech and motion of one BEAT2 recording.

Legend: T frames, S audio samples. Times are seconds from the clip's start, angles radians, lengths metres, Y is up.
"""

from dataclasses import dataclass, field, fields, replace
from math import ceil, floor
from typing import Any

import numpy as np

from gesturebench.common.errors import InputError

SAMPLE_RATE = 16_000
POSE_DIM, EXPRESSION_DIM, BETA_DIM = 165, 100, 300


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word or phone with its time interval."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class ProminentWord:
    """A word as rated by the prominence annotator (`prom/<id>.prom`); higher is more prominent, typically 0 to 3."""

    text: str
    start_s: float
    end_s: float
    prominence: float
    boundary: float


@dataclass(frozen=True, slots=True)
class GestureLabel:
    """A row of `sem/<id>.txt`: a gesture class such as `06_iconic_m`, score in [0, 1], keyword (may be empty)."""

    name: str
    start_s: float
    end_s: float
    score: float
    word: str


@dataclass(frozen=True, slots=True)
class Relation:
    """An explicit discourse relation with its PDTB sense, such as `Comparison.Contrast`.

    From `discourse_rels/<id>_whisper_relations.json`.
    `start_s`/`end_s` span connective and both arguments, `connective_start_s`/`connective_end_s` the connective alone.
    """

    connective: str
    sense: str
    start_s: float
    end_s: float
    connective_start_s: float
    connective_end_s: float


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """A gesture the stand-in generator really made, and the word that caused it. Read by oracle rows and oracle metrics
    alone.

    `prep_s` start of the preparation, `stroke_s` start of the stroke, `end_s` end of the stroke, `hold_s` end of the
    hold after it.
    """

    tag: str
    word: str
    word_start_s: float
    word_end_s: float
    prep_s: float
    stroke_s: float
    end_s: float
    hold_s: float
    hands: str


@dataclass(frozen=True, eq=False)
class Motion:
    """Motion of a body: SMPL-X parameters of T frames at `fps` frames per second.

    `poses` (T, 165) axis-angle of 55 joints, `expressions` (T, 100), `trans` (T, 3) root translation, `betas` (300,)
    body shape.
    """

    poses: np.ndarray
    expressions: np.ndarray
    trans: np.ndarray
    betas: np.ndarray
    fps: float

    @property
    def n_frames(self) -> int:
        return len(self.poses)

    @property
    def duration_s(self) -> float:
        return self.n_frames / self.fps

    def cut(self, start: int, stop: int) -> "Motion":
        """Frames `start` to `stop` (exclusive) as views."""
        return replace(
            self, poses=self.poses[start:stop], expressions=self.expressions[start:stop], trans=self.trans[start:stop]
        )

    def checked(self, source: object) -> "Motion":
        """This motion, if shapes agree and every number is finite; else an `InputError` that names `source`."""
        n = len(self.poses)
        shapes = {"poses": (n, POSE_DIM), "expressions": (n, EXPRESSION_DIM), "trans": (n, 3), "betas": (BETA_DIM,)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise InputError(
                    f"{source}: {name} has shape {array.shape}",
                    expected=str(shape),
                    remedy="re-export or re-download the file",
                )
            bad = ~np.isfinite(array)
            if bad.any():
                first = tuple(int(i) for i in np.argwhere(bad)[0])
                raise InputError(
                    f"{source}: {name}[{', '.join(map(str, first))}] is {array[first]} ({bad.sum()} bad values)",
                    expected="finite numbers",
                    remedy="re-download the file or leave the clip out of the split",
                )
        if n == 0:
            raise InputError(f"{source}: no frames", expected="at least one frame")
        if not 1 <= self.fps <= 240:
            raise InputError(f"{source}: {self.fps} frames per second", expected="1 to 240")
        return self


@dataclass(frozen=True, eq=False)
class Speech:
    """All of a clip but its motion: 16 kHz mono audio (S,) float32 in [-1, 1], and annotations that may be empty.

    `speaker` is the BEAT2 number (1 to 30), `emotion` 0 neutral to 7 disgust. `words` and `phones` come from forced
    alignment, `transcript` from a speech recogniser, `tokens` are what the discourse parser read: recognised words and
    punctuation marks, a mark with the times of its word. `oracle` holds what the generated gestures really are; it is
    empty unless a row declares `query: oracle`. `tail` (S',) float32 is the recording's audio after the end of the
    motion: no part of the speech, but some published scores listen to it.
    """

    clip_id: str
    audio: np.ndarray
    speaker: int
    emotion: int = 0
    words: tuple[Word, ...] = ()
    phones: tuple[Word, ...] = ()
    relations: tuple[Relation, ...] = ()
    labels: tuple[GestureLabel, ...] = ()
    prominence: tuple[ProminentWord, ...] = ()
    oracle: tuple[TruthEvent, ...] = ()
    transcript: tuple[Word, ...] = ()
    tail: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    tokens: tuple[Word, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.audio) / SAMPLE_RATE

    def n_frames(self, fps: float) -> int:
        """Frames of a motion that is as long as this speech."""
        return int(round(self.duration_s * fps, 6))

    def cut(self, start: int, stop: int, fps: float) -> "Speech":
        """The speech of motion frames `start` to `stop` (exclusive) at `fps`; audio is a view.

        n frames have ceil(16000 n / fps) samples, from the one at or just before the first frame; all that follows is
        tail. An annotation is kept where its interval (a relation: its connective, an event: its stroke) meets the cut;
        all its times are moved by start / fps and clipped to the cut.
        """
        first, length = floor(start * SAMPLE_RATE / fps), ceil((stop - start) * SAMPLE_RATE / fps)
        audio, rest = self.audio[first : first + length], self.audio[first + length :]
        kept = {name: _cut_records(getattr(self, name), start / fps, stop / fps, *_ANCHORS[name]) for name in _ANCHORS}
        tail = np.concatenate([rest, self.tail]) if len(rest) and len(self.tail) else rest if len(rest) else self.tail
        return replace(self, audio=audio, tail=tail, **kept)


_ANCHORS = dict.fromkeys(("words", "phones", "labels", "prominence", "transcript", "tokens"), ("start_s", "end_s")) | {
    "relations": ("connective_start_s", "connective_end_s"),
    "oracle": ("stroke_s", "end_s"),
}
"""The annotations of a speech, and the times that say where one of them is."""


def _cut_records(records: tuple[Any, ...], start_s: float, end_s: float, first: str, last: str) -> tuple[Any, ...]:
    met = [
        r for r in records if getattr(r, first) < end_s and (getattr(r, last) > start_s or getattr(r, first) == start_s)
    ]
    times = [f.name for f in fields(met[0]) if f.name.endswith("_s")] if met else []
    return tuple(
        replace(r, **{name: min(max(getattr(r, name), start_s), end_s) - start_s for name in times}) for r in met
    )


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording: its speech and the motion captured with it, both cut to the shorter of the two."""

    id: str
    speech: Speech
    motion: Motion

    def cut(self, start: int, stop: int) -> "Clip":
        """Motion frames `start` to `stop` (exclusive) and the speech that belongs to them, see `Speech.cut`."""
        if not 0 <= start < stop <= self.motion.n_frames:
            raise InputError(
                f"clip {self.id}: frames {start} to {stop}",
                expected=f"a cut of at least one frame inside 0 to {self.motion.n_frames}",
            )
        return replace(self, speech=self.speech.cut(start, stop, self.motion.fps), motion=self.motion.cut(start, stop))
