"""Beat consistency (BC, also BeatAlign): do the upper body's moments of rest fall on the onsets of speech?

Legend: T frames, J joints. Li et al. 2021 ("AI Choreographer", eq. 8) as adapted by Liu et al. 2022 (BEAT): every audio
beat looks for the nearest motion beat, BC = mean over audio beats of exp(-d^2 / 2 sigma^2), averaged over joints.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion, Speech
from gesturebench.common.errors import InputError
from gesturebench.common.features.onsets import audio_onsets
from gesturebench.common.motion.skeleton import UPPER, pose_channels
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.beats import alignment, local_minima, relative_speed
from gesturebench.evaluators.l1div import absolute_deviation
from gesturebench.evaluators.pairs import FPS, Root, checked_pair, joint_positions

Variant = Literal["clean", "legacy", "legacy_folded", "evaltools", "rag"]
"""`clean`: the definition. `legacy`: as in the older released code, where the speed threshold is read `mask` frames too
early and onsets after the motion's mask count if the recording goes on. `legacy_folded`: what published EMAGE-style
tables contain, where L1div had overwritten the positions with |x - mean| before. `evaltools`: the newer tools: legacy
threshold indices, threshold 0.1, no body rotation. `rag`: RAG-Gesture's, legacy threshold indices, audio cut with the
motion, mask 10.

One captured minute of speaker 2 scores 0.487 (clean), 0.724, 0.743, 0.750, 0.759: most minima of real motion lie below
0.3 of the mean speed, and count only because the released codes read that speed elsewhere. On smooth made-up motion all
variants agree to 0.02."""

Direction = Literal["audio", "motion"]
"""Which beats look for the nearest other one: `audio` in every released code, `motion` as the papers write the
formula."""


@dataclass(frozen=True)
class Reading:
    """What tells the variants apart: frames left out at both ends, the least relative speed of a beat, whether that is
    read `mask` frames `early`, where the audio ends, the root, whether positions are folded to |x - mean|."""

    mask: int = 60
    threshold: float = 0.3
    early: bool = True
    audio_end: Literal["motion", "recording", "seconds"] = "motion"
    root: Root = "kept"
    folded: bool = False


READINGS: dict[Variant, Reading] = {
    "clean": Reading(early=False),
    "legacy": Reading(audio_end="recording"),
    "legacy_folded": Reading(audio_end="recording", folded=True),
    "evaltools": Reading(threshold=0.1, audio_end="seconds", root="zeroed"),
    "rag": Reading(mask=10),
}


class BeatConsistencyConfig(Config):
    """`variant` and `direction`; `mask` frames left out at both ends, `threshold`, the multiple of a joint's mean speed
    that a minimum must exceed, and `root` are the variant's own unless given; `sigma_s` tolerance, `order` frames on
    both sides that a minimum must undercut."""

    variant: Variant = "clean"
    direction: Direction = "audio"
    mask: int | None = Field(None, ge=0)
    threshold: float | None = Field(None, ge=0)
    root: Root | None = None
    sigma_s: float = Field(0.3, gt=0)
    order: int = Field(7, ge=1)

    @property
    def reading(self) -> Reading:
        return READINGS[self.variant]

    @property
    def edge(self) -> int:
        """Frames left out at both ends."""
        return self.reading.mask if self.mask is None else self.mask

    @property
    def least_speed(self) -> float:
        return self.reading.threshold if self.threshold is None else self.threshold


def motion_beats(speed: np.ndarray, config: BeatConsistencyConfig) -> np.ndarray:
    """Relative speeds (T, J) -> (T - 2 edge, J) bool, counted from the end of the first mask: strict local minima above
    the least speed."""
    inner = speed[config.edge : len(speed) - config.edge]
    # the released codes index the unmasked speed with masked indices
    tested = speed[: len(inner)] if config.reading.early else inner
    return local_minima(inner, config.order) & (tested > config.least_speed)


def inner_audio(audio: np.ndarray, n_frames: int, config: BeatConsistencyConfig) -> np.ndarray:
    """The samples of a whole recording (S,) between the masks of its motion of `n_frames`; onset times count from
    there."""
    start = int(config.edge * SAMPLE_RATE / FPS)
    cut = audio[: int(SAMPLE_RATE / FPS * n_frames)]
    stops = {
        "motion": len(cut) - start,
        "recording": len(audio) - start,
        "seconds": int((n_frames - config.edge) / FPS * SAMPLE_RATE),
    }
    return cut[start : max(start, stops[config.reading.audio_end])]


def speech_onsets(speech: Speech, n_frames: int, config: BeatConsistencyConfig) -> np.ndarray:
    """Onset times in seconds after the mask; (0,) where no whole neighbourhood of a minimum fits between the masks."""
    if n_frames - 2 * config.edge <= 2 * config.order:
        return np.empty(0)
    return audio_onsets(inner_audio(np.concatenate([speech.audio, speech.tail]), n_frames, config))


def beat_consistency(
    positions: np.ndarray, onsets_s: np.ndarray, mean_speed: np.ndarray, config: BeatConsistencyConfig
) -> float:
    """BC of one clip: positions (T, 165) metres, onsets in seconds after the mask, mean over the 13 joints of the upper
    body."""
    upper = positions[:, pose_channels(UPPER)]
    if config.reading.folded:
        upper = absolute_deviation(upper)
    beats = motion_beats(relative_speed(upper, mean_speed[list(UPPER)]), config)
    scores = []
    for joint_beats in beats.T:
        beats_s = np.flatnonzero(joint_beats) / FPS
        asking_s, asked_s = (onsets_s, beats_s) if config.direction == "audio" else (beats_s, onsets_s)
        scores.append(alignment(asking_s, asked_s, config.sigma_s))
    return float(np.mean(scores))


@dataclass
class _Sums:
    weighted: float = 0.0
    frames: int = 0
    clips: int = 0
    skipped: int = 0


class BeatConsistency(Evaluator):
    """BC = sum of clip score x (T - 2 mask) / sum of (T - 2 mask).

    Clips without an onset, or too short to hold one whole neighbourhood of a minimum between the masks, are skipped and
    counted. More is not better: closeness to the ground truth's value is the sane reading.
    """

    name: ClassVar[str] = "bc"
    Config: ClassVar[type[Config]] = BeatConsistencyConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "bc",
            "BC",
            "closer to ground truth",
            3,
            unit="none, 0 to 1",
            formula="mean over 13 joints and audio onsets a of max over the joint's speed minima b of "
            "exp(-(a - b)^2 / (2 (0.3 s)^2)); clips weighted by frames",
            scales={"EMAGE": 10.0, "RAG-Gesture": 1.0},
            source="Li et al. 2021, eq. 8; Liu et al. 2022 (BEAT); EMAGE prints x 10 and marks higher as better",
        ),
    )

    def reset(self) -> None:
        self.sums = _Sums()

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        onsets_s = speech_onsets(clip.speech, prediction.n_frames, self.config)
        if not len(onsets_s):
            self.sums.skipped += 1
            return {}
        root = self.config.root or self.config.reading.root
        positions = joint_positions(self.store.joints, prediction, clip, root)
        score = beat_consistency(positions, onsets_s, self.store.mean_speed, self.config)
        weight = prediction.n_frames - 2 * self.config.edge
        self.sums.weighted += score * weight
        self.sums.frames += weight
        self.sums.clips += 1
        return {"bc": score, "bc_n": weight}

    def merge(self, other: Self) -> None:
        mine, theirs = self.sums, other.sums
        self.sums = _Sums(
            mine.weighted + theirs.weighted,
            mine.frames + theirs.frames,
            mine.clips + theirs.clips,
            mine.skipped + theirs.skipped,
        )

    def compute(self) -> dict[str, Any]:
        if not self.sums.clips:
            raise InputError(
                f"bc of no clips ({self.sums.skipped} skipped)",
                expected=f"speech onsets in more than {2 * (self.config.edge + self.config.order)} frames",
                remedy="evaluate longer clips or set a smaller mask",
            )
        return {
            "bc": self.sums.weighted / self.sums.frames,
            "n": self.sums.clips,
            "skipped": self.sums.skipped,
            "frames": self.sums.frames,
        }
