"""Beat consistency (BC, also BeatAlign): do the upper body's moments of rest fall on the onsets of speech?

Legend: T frames, J joints. Li et al. 2021 ("AI Choreographer", eq. 8) as adapted by Liu et al. 2022 (BEAT): every audio
beat looks for the nearest motion beat, BC = mean over audio beats of exp(-d^2 / 2 sigma^2), averaged over joints.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.features.onsets import audio_onsets
from gesturebench.common.motion.skeleton import UPPER
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.pairs import FPS, checked_pair, joint_positions

Variant = Literal["clean", "legacy", "legacy_folded", "evaltools"]
"""`clean`: the definition. `legacy`: as in the older released code, where the speed threshold is read `mask` frames too
early and onsets up to the end of the uncut audio count. `legacy_folded`: what published EMAGE-style tables contain,
where L1div had overwritten the positions with |x - mean| before. `evaltools`: the newer tools: legacy threshold
indices, threshold 0.1, no body rotation. On the two golden clips (mask 60) legacy and legacy_folded differ by 0.018 and
0.007, legacy and evaltools by 0.007 and 0.016."""


class BeatConsistencyConfig(Config):
    """`mask` frames left out at both ends, `sigma_s` tolerance, `order` frames on both sides that a minimum must
    undercut, `threshold` the multiple of a joint's mean speed that a minimum must exceed (0.1 in `evaltools` whatever
    is set here)."""

    variant: Variant = "clean"
    mask: int = 60
    sigma_s: float = 0.3
    order: int = 7
    threshold: float = 0.3


def relative_speed(positions: np.ndarray, mean_speed: np.ndarray) -> np.ndarray:
    """(T, 3J) metres -> (T, J): speed by central differences over the joint's mean speed (J,) in m/s."""
    velocity = np.gradient(positions, 1 / FPS, axis=0).reshape(len(positions), -1, 3)
    return np.linalg.norm(velocity, axis=-1) / mean_speed


def motion_beats(speed: np.ndarray, config: BeatConsistencyConfig) -> np.ndarray:
    """Beat times in seconds after the mask of one joint: strict local minima of its relative speed (T,) above the
    threshold."""
    from scipy.signal import argrelextrema

    inner = speed[config.mask : len(speed) - config.mask]
    minima = argrelextrema(inner, np.less, order=config.order)[0]
    threshold = 0.1 if config.variant == "evaltools" else config.threshold
    # the released codes index the unmasked speed with masked indices
    tested = inner if config.variant == "clean" else speed
    return minima[tested[minima] > threshold] / FPS


def alignment(onsets_s: np.ndarray, beats_s: np.ndarray, sigma_s: float) -> float:
    """Mean over onsets of exp(-d^2 / 2 sigma^2), d the distance to the nearest of the sorted beats; 0 without beats.

    >>> alignment(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 0.3)
    1.0
    """
    if not len(beats_s):
        return 0.0
    right = np.searchsorted(beats_s, onsets_s).clip(1, max(len(beats_s) - 1, 1))
    nearest = np.minimum(
        np.abs(onsets_s - beats_s[right - 1]), np.abs(onsets_s - beats_s[np.minimum(right, len(beats_s) - 1)])
    )
    return float(np.exp(-(nearest**2) / (2 * sigma_s**2)).mean())


def inner_audio(audio: np.ndarray, n_frames: int, config: BeatConsistencyConfig) -> np.ndarray:
    """The samples between the masks of a motion of `n_frames`; onset times count from there."""
    start = int(config.mask * SAMPLE_RATE / FPS)
    cut = audio[: int(SAMPLE_RATE / FPS * n_frames)]
    if config.variant == "evaltools":
        return audio[start : int((n_frames - config.mask) / FPS * SAMPLE_RATE)]
    longest = len(cut) if config.variant == "clean" else len(audio)
    return cut[start : longest - start]


def beat_consistency(
    positions: np.ndarray, onsets_s: np.ndarray, mean_speed: np.ndarray, config: BeatConsistencyConfig
) -> float:
    """BC of one clip: positions (T, 165) metres, onsets in seconds after the mask, mean over the 13 joints of the upper
    body."""
    if config.variant == "legacy_folded":
        positions = np.abs(positions - positions.mean(0))
    speed = relative_speed(positions, mean_speed)
    return float(
        np.mean([alignment(onsets_s, motion_beats(speed[:, joint], config), config.sigma_s) for joint in UPPER])
    )


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
    columns: ClassVar[tuple[Column, ...]] = (Column("bc", "BC", "closer to ground truth", 3),)

    def reset(self) -> None:
        self.sums = _Sums()

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        weight = prediction.n_frames - 2 * self.config.mask
        long_enough = weight > 2 * self.config.order
        onsets = (
            audio_onsets(inner_audio(clip.speech.audio, prediction.n_frames, self.config))
            if long_enough
            else np.empty(0)
        )
        if not len(onsets):
            self.sums.skipped += 1
            return {}
        root = "zeroed" if self.config.variant == "evaltools" else "kept"
        positions = joint_positions(self.store.joints, prediction, clip, root)
        score = beat_consistency(positions, onsets, self.store.mean_speed, self.config)
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
                expected=f"speech onsets in more than {2 * (self.config.mask + self.config.order)} frames",
                remedy="evaluate longer clips or set a smaller mask",
            )
        return {
            "bc": self.sums.weighted / self.sums.frames,
            "n": self.sums.clips,
            "skipped": self.sums.skipped,
            "frames": self.sums.frames,
        }
