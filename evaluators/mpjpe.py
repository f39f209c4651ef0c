"""MPJPE and PA-MPJPE: how far joints lie from where they should be, as they are and after the best alignment.

Legend: T frames, J joints.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import EYES, HANDS, JAW, LOWER, N_JOINTS, UPPER
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.control_frames import DISTANCE_BINS, control_distance, control_indices, free_frames
from gesturebench.evaluators.pairs import Root, checked_pair, joint_positions, nothing_scored, target_positions
from gesturebench.evaluators.procrustes import aligned

Alignment = Literal["none", "first_frame", "per_frame"]
"""What is subtracted from both motions before they are compared: nothing, the pelvis of the own first frame
(RAG-Gesture), or the pelvis of every frame."""

JointSet = Literal["all", "body_hands", "body", "upper_hands", "upper"]
"""`all` 55. `body_hands` 52: without jaw and eyes. `body` 22, `upper` 13, `upper_hands` 43."""

JOINT_SETS: dict[JointSet, tuple[int, ...]] = {
    "all": tuple(range(N_JOINTS)),
    "body_hands": tuple(j for j in range(N_JOINTS) if j not in (*JAW, *EYES)),
    "body": tuple(sorted(UPPER + LOWER)),
    "upper_hands": UPPER + HANDS,
    "upper": UPPER,
}

Divisor = Literal["visible", "all"]
"""`visible`: joints that are scored. `all`: hidden joints too, which add no error (RAG-Gesture's script)."""

Scored = Literal["free", "control"]
"""`free`: what was not given. `control`: the control frames alone, so how well a pose that is given is met."""

_LATER: dict[str, Any] = {"scored": "free", "also": None}
"""Settings that came after the first results, with the values that those were measured with."""

MM = 1000.0
RIGID = 3
"""Points that a rotation needs: a frame with fewer visible joints has no PA-MPJPE."""


def root_aligned(positions_TJ3: np.ndarray, alignment: Alignment) -> np.ndarray:
    """(T, J, 3) relative to its own pelvis, joint 0."""
    origin = {"none": np.zeros(3), "first_frame": positions_TJ3[:1, :1], "per_frame": positions_TJ3[:, :1]}
    return positions_TJ3 - origin[alignment]


def joint_distances(a_TJ3: np.ndarray, b_TJ3: np.ndarray) -> np.ndarray:
    """(T, J) Euclidean."""
    return np.linalg.norm(a_TJ3 - b_TJ3, axis=-1)


def mpjpe(
    predicted_TJ3: np.ndarray,
    target_TJ3: np.ndarray,
    visible_TJ: np.ndarray | None = None,
    divisor: Divisor = "visible",
) -> float:
    """Mean distance over visible joints (Ionescu et al. 2014, eq. 8); `all` divides by hidden joints too."""
    distances = joint_distances(predicted_TJ3, target_TJ3)
    visible = np.ones_like(distances) if visible_TJ is None else visible_TJ
    return float((distances * visible).sum() / (visible.sum() if divisor == "visible" else distances.size))


def pa_distances(predicted_TJ3: np.ndarray, target_TJ3: np.ndarray, visible_TJ: np.ndarray | None = None) -> np.ndarray:
    """(T, J) distances after similarity Procrustes of every frame on its visible joints (Zhou et al. 2018)."""
    return joint_distances(aligned(predicted_TJ3, target_TJ3, visible_TJ), target_TJ3)


def retrieval_mask(poses: np.ndarray) -> np.ndarray:
    """(T, 165) retrieved poses -> (T, 55) bool: joints of upper body and hands whose rotation is not exactly zero
    (RAG-Gesture's MPJPE to the retrieved motion)."""
    given = (poses.reshape(len(poses), N_JOINTS, 3) != 0).any(-1)
    return given & np.isin(np.arange(N_JOINTS), JOINT_SETS["upper_hands"])


class MPJPEConfig(Config):
    """`alignment` of positions, `joints` that count, `orientation` of the whole body.

    `divisor` of MPJPE (PA-MPJPE always divides by visible joints). `average`: over everything scored, or over clips.
    The first `seed_frames` and `control_frames` (evenly spaced, where a protocol does not say which) were given to the
    method; `scored` says which side of that counts. `also` is a set of joints measured beside `joints`, as
    `mpjpe_<set>` and `pa_mpjpe_<set>`.
    """

    alignment: Alignment = "per_frame"
    joints: JointSet = "all"
    orientation: Root = "kept"
    divisor: Divisor = "visible"
    average: Literal["frames", "clips"] = "frames"
    seed_frames: int = Field(0, ge=0)
    control_frames: int = Field(0, ge=0)
    scored: Scored = "free"
    also: JointSet | None = None


class MPJPE(Evaluator):
    """MPJPE and PA-MPJPE in millimetres. Translation is left out: with `per_frame` or without, the pelvis agrees.

    With control frames, `mpjpe_<bin>` and `pa_mpjpe_<bin>` in `compute` give the error by the distance to the nearest
    of them; control frames themselves are in the bin `at_control` only.
    """

    name: ClassVar[str] = "mpjpe"
    Config: ClassVar[type[Config]] = MPJPEConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "mpjpe",
            "MPJPE",
            "lower",
            1,
            unit="mm",
            formula="mean over scored frames and joints of |p - g|, each relative to its own pelvis",
            scales={"ExGes": 1.0, "RAG-Gesture": 0.001},
            source="Ionescu et al. 2014, eq. 8; conventions as ExGes Table 2 leaves them open",
        ),
        Column(
            "pa_mpjpe",
            "PA-MPJPE",
            "lower",
            1,
            unit="mm",
            formula="mean over scored frames and joints of |s R p + t - g|, similarity Procrustes of every frame",
            scales={"ExGes": 1.0},
            source="Zhou et al. 2018; Umeyama 1991 for the alignment",
        ),
    )

    takes_given: ClassVar[bool] = True

    @classmethod
    def score_sections(cls, config: Config) -> dict[str, Any]:
        first = {name for name, value in _LATER.items() if getattr(config, name) == value}
        return config.model_dump(mode="json", exclude=first)

    def reset(self) -> None:
        self.totals: dict[str, float] = {}
        self.weights: dict[str, float] = {}
        self.clips, self.skipped = 0, 0

    def update(
        self, prediction: Motion, clip: Clip, mask: np.ndarray | None = None, given: np.ndarray | None = None
    ) -> dict[str, float]:
        """`mask` (T,) or (T, 55) bool: frames or joints that count, beside what the settings leave out. `given` (T,)
        bool: the control frames, in place of evenly spaced ones."""
        checked_pair(prediction, clip)
        counted = _joint_mask(mask, clip, prediction.n_frames)
        at = control_indices(len(counted), self.config.control_frames) if given is None else np.flatnonzero(given)
        means = {}
        for joints, ending in self._joint_sets():
            predicted, target = self._positions(prediction, clip, joints)
            found = self._means(predicted, target, counted[:, list(JOINT_SETS[joints])], at)
            means |= {f"{key}{ending}": value for key, value in found}
        if "mpjpe" not in means:
            self.skipped += 1
            return {}
        self.clips += 1
        for key, (value, weight) in means.items():
            self.totals[key] = self.totals.get(key, 0.0) + value * weight
            self.weights[key] = self.weights.get(key, 0.0) + weight
        return {key: value for key, (value, _) in means.items()} | {f"{key}_n": w for key, (_, w) in means.items()}

    def merge(self, other: Self) -> None:
        for key in other.totals:
            self.totals[key] = self.totals.get(key, 0.0) + other.totals[key]
            self.weights[key] = self.weights.get(key, 0.0) + other.weights[key]
        self.clips += other.clips
        self.skipped += other.skipped

    def compute(self) -> dict[str, Any]:
        if not self.clips:
            raise nothing_scored(self.name, f"at least one scored frame ({self.skipped} clips have none)")
        means = {key: self.totals[key] / self.weights[key] for key in self.totals}
        return {"pa_mpjpe": None, **means, "n": self.clips, "skipped": self.skipped}

    def _joint_sets(self) -> list[tuple[JointSet, str]]:
        """What is measured, and how the names of its numbers end."""
        also = self.config.also
        return [(self.config.joints, "")] + ([] if also is None else [(also, f"_{also}")])

    def _positions(self, prediction: Motion, clip: Clip, joints: JointSet) -> tuple[np.ndarray, np.ndarray]:
        model, root, chosen = self.store.joints, self.config.orientation, list(JOINT_SETS[joints])
        both = joint_positions(model, prediction, clip, root), target_positions(model, clip, root)
        predicted, target = (
            root_aligned(x.reshape(len(x), N_JOINTS, 3), self.config.alignment)[:, chosen] for x in both
        )
        return predicted, target

    def _means(
        self, predicted: np.ndarray, target: np.ndarray, counted_TJ: np.ndarray, control_k: np.ndarray
    ) -> Iterator[tuple[str, tuple[float, float]]]:
        """(key, (mean in mm, weight)) of what this clip has."""
        config, n = self.config, len(predicted)
        frames = free_frames(n, control_k, config.seed_frames)
        if config.scored == "control":
            frames = np.isin(np.arange(n), control_k)
        distances = joint_distances(predicted, target)
        yield from self._mean("mpjpe", distances, counted_TJ & frames[:, None], config.divisor)
        rigid = counted_TJ & (counted_TJ.sum(1, keepdims=True) >= RIGID)
        pa = pa_distances(predicted, target, rigid)
        yield from self._mean("pa_mpjpe", pa, rigid & frames[:, None], "visible")
        if len(control_k):
            for name, chosen_T in _by_distance(n, control_k, config.seed_frames):
                yield from self._mean(f"mpjpe_{name}", distances, counted_TJ & chosen_T[:, None], "visible")
                yield from self._mean(f"pa_mpjpe_{name}", pa, rigid & chosen_T[:, None], "visible")

    def _mean(
        self, key: str, distances: np.ndarray, visible: np.ndarray, divisor: Divisor
    ) -> Iterator[tuple[str, tuple[float, float]]]:
        """Mean and weight over what is visible; nothing where nothing is."""
        if visible.any():
            weight = float(visible.sum() if divisor == "visible" else visible.size)
            value = MM * float((distances * visible).sum()) / weight
            yield key, (value, weight if self.config.average == "frames" else 1.0)


def _by_distance(n_frames: int, control_k: np.ndarray, seed_frames: int) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (T,) bool) of every bin; frames of the seed are in none."""
    away, unseeded = control_distance(n_frames, control_k), np.arange(n_frames) >= seed_frames
    for name, (low, high) in DISTANCE_BINS.items():
        yield name, unseeded & (low <= away) & (away <= high)


def _joint_mask(mask: np.ndarray | None, clip: Clip, n: int) -> np.ndarray:
    """(T, 55) bool of what may count."""
    if mask is None:
        return np.ones((n, N_JOINTS), dtype=bool)
    if mask.shape not in ((n,), (n, N_JOINTS)):
        raise InputError(
            f"mask of {clip.id} has shape {mask.shape}",
            expected=f"({n},) or ({n}, {N_JOINTS})",
            remedy="give one value per frame, or per frame and joint",
        )
    return np.broadcast_to((mask != 0).reshape(n, -1), (n, N_JOINTS))
