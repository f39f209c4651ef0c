"""Stress beats: do the hands accent the stressed syllables, and do they stop doing so when the motion is shifted?

Legend: E stresses, K hands, M accents, L lags. Times are seconds.

Beat consistency asks every onset of the audio for a moment of rest within some 300 ms; where hands rest twice a second,
any motion answers. This score asks fewer and sharper questions, and subtracts what the same motion answers at wrong
times: a motion that accents at random scores 0, however busy it is.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion, Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import JOINT, N_JOINTS
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.beats import local_minima
from gesturebench.evaluators.pairs import FPS, checked_pair, joint_positions

WRISTS = (JOINT["left_wrist"], JOINT["right_wrist"])
LAGS_S = 0.025 * np.arange(-20, 21)
"""(L,) how much later than the speech the motion is asked."""
CONTROLS = np.abs(LAGS_S) >= 0.15
"""(L,) the lags of the shift control: 150 to 500 ms, both ways."""
MARGIN_S = float(LAGS_S[-1])
"""Stresses nearer to an end of the motion are left out, so that every lag is asked about the same ones."""

Landmark = Literal["turn", "rest"]
"""What counts as an accent of a hand. `turn`: a peak of the wrist's acceleration, the moment in which a stroke is
stopped or turned, whatever its direction. `rest`: a minimum of its speed, the moments that beat consistency uses; a
stroke has three of them (before, at its turn, after), which blurs the score."""

Source = Literal["auto", "stress", "words"]
"""Where the reference times come from. `stress`: middles of the vowels that carry primary stress. `words`: middles of
the longer half of a clip's words, for alignments that know no stress: short words are function words and rarely bear
any. `auto`: stress where the phones of a clip mark it, else words. On the stand-in the contrast of captured motion is
0.17 with stress, 0.08 with words; with plain word onsets, which precede the vowels, it would be negative."""


class StressBeatsConfig(Config):
    """`sigma_s` tolerance, `order` frames on both sides that an accent exceeds, `landmark` and `source` as above."""

    sigma_s: float = 0.06
    order: int = 5
    landmark: Landmark = "turn"
    source: Source = "auto"


def stress_times(phones: tuple[Word, ...]) -> np.ndarray:
    """(E,) middles of the vowels with primary stress: ARPAbet writes it as a 1 after the vowel.

    >>> stress_times((Word("HH", 0.0, 0.1), Word("AA1", 0.1, 0.3), Word("ER0", 0.3, 0.4)))
    array([0.2])
    """
    return np.array([(p.start_s + p.end_s) / 2 for p in phones if p.text[:-1].isalpha() and p.text[-1] == "1"])


def reference_times(speech: Speech, source: Source) -> tuple[np.ndarray, Literal["stress", "words"]]:
    """(E,) the times at which accents are expected, and which kind they are."""
    stressed = stress_times(speech.phones)
    if source == "stress" or (source == "auto" and len(stressed)):
        return stressed, "stress"
    return word_times(speech.words), "words"


def word_times(words: tuple[Word, ...]) -> np.ndarray:
    """(E,) middles of the words that last at least as long as the median word.

    >>> word_times((Word("to", 0.0, 0.1), Word("the", 0.1, 0.3), Word("harbour", 0.3, 0.7)))
    array([0.2, 0.5])
    """
    duration = np.array([word.end_s - word.start_s for word in words])
    middle = np.array([(word.start_s + word.end_s) / 2 for word in words])
    return middle[duration >= np.median(duration)] if len(words) else middle


def accents(wrists: np.ndarray, config: StressBeatsConfig) -> list[np.ndarray]:
    """(T, K, 3) metres -> per hand the times (M,) of its accents.

    `turn`: strict local maxima of |d2x/dt2|, `rest`: strict local minima of |dx/dt|; both derivatives are central
    differences, one-sided at the ends.
    """
    derivative = np.gradient(wrists, 1 / FPS, axis=0)
    if config.landmark == "turn":
        derivative = np.gradient(derivative, 1 / FPS, axis=0)
    strength = np.linalg.norm(derivative, axis=-1)
    found = local_minima(-strength if config.landmark == "turn" else strength, config.order)
    return [np.flatnonzero(hand) / FPS for hand in found.T]


def answers(asked_s: np.ndarray, accents_s: list[np.ndarray], sigma_s: float) -> np.ndarray:
    """exp(-d^2 / 2 sigma^2) for times of any shape, d the distance to the nearest accent of either hand; 0 without
    accents.

    >>> answers(np.array([1.0, 5.0]), [np.array([1.0]), np.array([])], 0.06).round(3)
    array([1., 0.])
    """
    both = np.concatenate(accents_s)
    if not len(both):
        return np.zeros(asked_s.shape)
    nearest = np.abs(asked_s[..., None] - both).min(-1)
    return np.exp(-(nearest**2) / (2 * sigma_s**2))


@dataclass
class LagCurve:
    """Sums over stresses of the answers at every lag: enough for score, contrast and best lag."""

    total: np.ndarray = field(default_factory=lambda: np.zeros(len(LAGS_S)))
    stresses: int = 0

    @classmethod
    def of(cls, times_s: np.ndarray, accents_s: list[np.ndarray], sigma_s: float) -> "LagCurve":
        return cls(answers(times_s[:, None] + LAGS_S, accents_s, sigma_s).sum(0), len(times_s))

    def __add__(self, other: "LagCurve") -> "LagCurve":
        return LagCurve(self.total + other.total, self.stresses + other.stresses)

    @property
    def recall(self) -> np.ndarray:
        """(L,) share of the stresses that are answered at each lag."""
        return self.total / self.stresses

    @property
    def score(self) -> float:
        return float(self.recall[len(LAGS_S) // 2])

    @property
    def control(self) -> float:
        """Mean share over the shifted lags."""
        return float(self.recall[CONTROLS].mean())

    @property
    def best_lag_ms(self) -> float | None:
        """Where the share is largest, the smaller lag of equals; positive if the motion comes late. None without
        accents."""
        order = np.argsort(np.abs(LAGS_S), kind="stable")
        best = order[self.total[order].argmax()]
        return float(round(1000 * LAGS_S[best])) if self.total[best] else None


class StressBeats(Evaluator):
    """Share of the stresses that a wrist accents (recall), and how much of it is lost when the motion is shifted
    (contrast).

    Clips without words, or too short for a stress 0.5 s away from both ends, are skipped and counted. More is not
    better: nobody accents every stress.
    """

    name: ClassVar[str] = "stress_beats"
    Config: ClassVar[type[Config]] = StressBeatsConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "stress_beats",
            "Stress beats",
            "closer to ground truth",
            3,
            unit="share",
            formula="mean over stresses s of exp(-d(s)^2 / 2 sigma^2), d to the nearest accent of a wrist, sigma 60 ms",
            source="this suite (docs/metrics.md)",
        ),
        Column(
            "stress_contrast",
            "Stress contrast",
            "closer to ground truth",
            3,
            unit="share",
            formula="stress beats - mean of stress beats with the motion shifted by 150, 175 ... 500 ms both ways",
            source="this suite (docs/metrics.md)",
        ),
    )

    def reset(self) -> None:
        self.curve, self.sources, self.skipped = LagCurve(), Counter(), 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        times, source = reference_times(clip.speech, self.config.source)
        times = times[(times >= MARGIN_S) & (times <= prediction.duration_s - MARGIN_S)]
        if not len(times):
            self.skipped += 1
            return {}
        positions = joint_positions(self.store.joints, prediction, clip).reshape(-1, N_JOINTS, 3)
        curve = LagCurve.of(times, accents(positions[:, WRISTS], self.config), self.config.sigma_s)
        self.curve += curve
        self.sources[source] += 1
        return {
            "stress_beats": curve.score,
            "stress_beats_n": curve.stresses,
            "stress_contrast": curve.score - curve.control,
            "stress_contrast_n": curve.stresses,
        }

    def merge(self, other: Self) -> None:
        self.curve += other.curve
        self.sources += other.sources
        self.skipped += other.skipped

    def compute(self) -> dict[str, Any]:
        if not self.curve.stresses:
            raise InputError(
                f"stress_beats of no clips ({self.skipped} skipped)",
                expected="words with their times, 0.5 s or more from both ends",
                remedy="add TextGrids of the clips, or leave the metric out",
            )
        return {
            "stress_beats": self.curve.score,
            "stress_control": self.curve.control,
            "stress_contrast": self.curve.score - self.curve.control,
            "best_lag_ms": self.curve.best_lag_ms,
            "n": self.sources.total(),
            "stresses": self.curve.stresses,
            "skipped": self.skipped,
            "sources": dict(sorted(self.sources.items())),
        }
