"""SRGR (semantic relevance gesture recall): are the joints right where the gesture carries meaning?

Legend: T frames, J joints. Liu et al. 2022 (BEAT): SRGR = mean over t, j of lambda_t 1[|p - p_hat| < delta].
"""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, GestureLabel, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.features.frames import semantic_scores
from gesturebench.common.motion.resample import frame_positions, interpolated
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.pairs import FPS, Root, checked_pair, joint_positions, nothing_scored, target_positions

Variant = Literal["legacy", "rag", "evaltools"]
"""Error and threshold in metres. `legacy`: |dx| + |dy| + |dz| < 0.1, the paper's norm. `rag`: the same norm < 0.3, and
the semantic score is read at 15 fps and interpolated like the motion. `evaltools`: Euclidean norm < 0.1, of bodies that
always face the same way. On the golden clips (positions) 0.413, 2.252 and 1.043: numbers of two variants are not
comparable."""

THRESHOLD_M: dict[Variant, float] = {"legacy": 0.1, "rag": 0.3, "evaltools": 0.1}

ROOT: dict[Variant, Root] = {"legacy": "kept", "rag": "kept", "evaltools": "zeroed"}
"""The newer tools leave out rotation of the body, jaw and eyes before they pose it."""

MEAN_SCORE = 0.165
"""Mean semantic score over BEAT's frames: where gestures are as semantic as on average, perfect joints give 1. Clips
with many semantic gestures can exceed 1."""


def joint_errors(predicted: np.ndarray, target: np.ndarray, variant: Variant) -> np.ndarray:
    """(T, 3J) metres -> (T, J), in the precision of the input."""
    offset = (predicted - target).reshape(len(predicted), -1, 3)
    return np.linalg.norm(offset, axis=-1) if variant == "evaltools" else np.abs(offset).sum(-1)


def recall(errors: np.ndarray, semantic: np.ndarray | None, threshold: float) -> float:
    """SRGR of one clip: errors (T, J) metres, semantic scores (T,) or None for a weight of 1.

    >>> recall(np.array([[0.05, 0.2]]), np.array([0.33]), threshold=0.1)
    1.0
    """
    hits_T = (errors < threshold).mean(1)
    return float(hits_T.mean() if semantic is None else (hits_T * semantic).mean() / MEAN_SCORE)


def scores_at(labels: tuple[GestureLabel, ...], n_frames: int, variant: Variant) -> np.ndarray:
    """(T,) semantic score per frame at 30 fps."""
    if variant != "rag":
        return semantic_scores(labels, n_frames, FPS)
    coarse = semantic_scores(labels, (n_frames + 1) // 2, FPS / 2)
    return interpolated(coarse[:, None], frame_positions(len(coarse), 2, "half_pixel"))[:n_frames, 0]


class SRGRConfig(Config):
    """`variant` of error, threshold and root; `weighted` by the semantic score, or every frame alike; `threshold` in
    metres and `root` are the variant's own unless given."""

    variant: Variant = "legacy"
    weighted: bool = True
    threshold: float | None = Field(None, gt=0)
    root: Root | None = None


class SRGR(Evaluator):
    """SRGR over clips is the mean weighted by frames; a frame without a gesture label counts with score 0.

    Clips without any label are counted as `unlabelled`; where no clip has one there is nothing to measure.
    """

    name: ClassVar[str] = "srgr"
    Config: ClassVar[type[Config]] = SRGRConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "srgr",
            "SRGR",
            "higher",
            3,
            unit="ratio to the mean semantic score",
            formula="mean over frames and 55 joints of 1[|dx| + |dy| + |dz| < 0.1 m] x semantic score / 0.165",
            scales={"PlanTalk": 1.0},
            source="Liu et al. 2022 (BEAT); divisor 0.165 as in the released code",
        ),
    )

    def reset(self) -> None:
        self.total, self.frames, self.clips, self.unlabelled = 0.0, 0, 0, 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        variant, n = self.config.variant, prediction.n_frames
        joints, root = self.store.joints, self.config.root or ROOT[variant]
        predicted, target = joint_positions(joints, prediction, clip, root), target_positions(joints, clip, root)
        errors = joint_errors(predicted, target, variant)
        semantic = scores_at(clip.speech.labels, n, variant) if self.config.weighted else None
        threshold = THRESHOLD_M[variant] if self.config.threshold is None else self.config.threshold
        value = recall(errors, semantic, threshold)
        self.total += value * n
        self.frames += n
        self.clips += 1
        self.unlabelled += not clip.speech.labels
        return {"srgr": value}

    def merge(self, other: Self) -> None:
        self.total += other.total
        self.frames += other.frames
        self.clips += other.clips
        self.unlabelled += other.unlabelled

    def compute(self) -> dict[str, Any]:
        if not self.clips:
            raise nothing_scored(self.name)
        if self.config.weighted and self.unlabelled == self.clips:
            raise InputError(
                f"srgr: no gesture label in {self.clips} clips",
                expected="sem/<id>.txt of the clips",
                remedy="add the annotations, or set weighted: false",
            )
        return {
            "srgr": self.total / self.frames,
            "n": self.clips,
            "frames": self.frames,
            "unlabelled": self.unlabelled,
        }
