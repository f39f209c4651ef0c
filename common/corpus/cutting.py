"""Where the published loaders cut their windows: frames of motion and the audio samples that they go with.

`WINDOWS` names the rules of the papers. A rule works on lengths alone, so it holds for a corpus folder, a clip store
and a pair of arrays alike.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import SAMPLE_RATE

RELEASED_SAMPLES_PER_FRAME = 533


@dataclass(frozen=True, slots=True)
class Cut:
    """Motion frames [start, stop) at the rule's frame rate, audio samples [first_sample, last_sample) at 16 kHz."""

    start: int
    stop: int
    first_sample: int
    last_sample: int

    def times(self, fps: float) -> tuple[float, float]:
        """Start and end in seconds."""
        return self.start / fps, self.stop / fps


class Cutting(Config):
    """How a clip is cut into windows.

    `length` and `stride` in frames at `fps`; a `length` of None is one window over everything. `ratios` repeats the
    cutting with length and stride scaled. `clean_first_s` and `clean_final_s` leave out seconds at the ends.

    Compatibility with the released loaders, each by name:
    `end`: `all` uses every frame that has audio; `whole_seconds` ignores the unfinished last second (EMAGE, MambaTalk,
    RAG-Gesture: up to one second of each test file is never scored); `motion` does not look at the audio's length (the
    newer EMAGE code: the audio of a last window may be short).
    `last`: `dropped` leaves out a window that ends exactly with the clip (the newer EMAGE code: one window fewer where
    length and stride happen to fit).
    `audio`: `exact` starts at floor(start 16000 / fps); `released_533` takes 533 samples per frame where 533.33 belong
    to it, so the audio starts too early, by one sample more every three frames (37 ms after a minute), and 64 frames
    have 34112 samples instead of 34133 (the newer EMAGE code).
    """

    length: int | None = Field(64, ge=1)
    stride: int = Field(20, ge=1)
    fps: Literal[15, 30] = 30
    ratios: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field((1.0,), min_length=1)
    clean_first_s: int = Field(0, ge=0)
    clean_final_s: int = Field(0, ge=0)
    end: Literal["all", "whole_seconds", "motion"] = "whole_seconds"
    last: Literal["kept", "dropped"] = "kept"
    audio: Literal["exact", "released_533"] = "exact"


WINDOWS: dict[str, Cutting] = {
    "emage": Cutting(),
    "emage_test": Cutting(length=None),
    "emage_audio": Cutting(end="motion", last="dropped", audio="released_533"),
    "rag_gesture": Cutting(length=150, stride=5, fps=15),
    "rag_gesture_test": Cutting(length=150, stride=150, fps=15),
    "whole": Cutting(length=None, end="all"),
}
"""Rules by name. `emage` (also MambaTalk's) and `rag_gesture` are what models are trained on, the names in `_test` what
the released code tests on, `emage_audio` the list of the newer, audio-only EMAGE code, `whole` one window per clip and
not a frame lost.
"""


def cuts(rule: Cutting, n_frames: int, n_samples: int) -> list[Cut]:
    """The windows of a clip of `n_frames` at the rule's frame rate and `n_samples` of audio; none if it is too short.

    >>> [(c.start, c.first_sample, c.last_sample) for c in cuts(WINDOWS["emage"], n_frames=104, n_samples=60_000)]
    [(0, 0, 34133), (20, 10666, 44799)]
    """
    first, stop = _range(rule, n_frames, n_samples)
    if rule.length is None:
        return [_cut(rule, first, stop, 0)] if stop > first else []
    found = []
    for ratio in rule.ratios:
        length, stride = (max(1, int(n * ratio)) for n in (rule.length, rule.stride))
        fitting = stop - length + (rule.last == "kept")
        found += [_cut(rule, start, start + length, first) for start in range(first, fitting, stride)]
    return found


def _range(rule: Cutting, n_frames: int, n_samples: int) -> tuple[int, int]:
    """Frames [first, stop) that windows may use."""
    fps = rule.fps
    usable = {
        "all": min(n_frames, n_samples * fps // SAMPLE_RATE),
        "whole_seconds": min(n_frames // fps, n_samples // SAMPLE_RATE) * fps,
        "motion": n_frames,
    }[rule.end]
    return rule.clean_first_s * fps, usable - rule.clean_final_s * fps


def _cut(rule: Cutting, start: int, stop: int, origin: int) -> Cut:
    """Sample positions are counted from the first usable frame `origin`, which lies on a whole second."""
    if rule.audio == "released_533":
        return Cut(start, stop, start * RELEASED_SAMPLES_PER_FRAME, stop * RELEASED_SAMPLES_PER_FRAME)
    first_sample = origin * SAMPLE_RATE // rule.fps + (start - origin) * SAMPLE_RATE // rule.fps
    return Cut(start, stop, first_sample, first_sample + (stop - start) * SAMPLE_RATE // rule.fps)
