"""Plausibility: jerk, foot sliding and ground penetration, which no distance to other motion shows.

Legend: T frames, J joints, K the four foot joints. Positions are metres of the moving body, translation and expressions
included, Y up.
"""

from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.motion.skeleton import FEET
from gesturebench.evaluators.base import Column, Evaluator
from gesturebench.evaluators.pairs import FPS, body_positions, checked_pair, nothing_scored

SHORTEST = 4
"""Frames that a third difference needs."""

CM = 100.0


def jerk(positions_TJ3: np.ndarray, fps: float = FPS) -> float:
    """Mean over joints and frames of |x[t+3] - 3 x[t+2] + 3 x[t+1] - x[t]| fps^3, m/s^3 (Flash and Hogan 1985)."""
    return float(np.linalg.norm(np.diff(positions_TJ3, n=3, axis=0), axis=-1).mean() * fps**3)


def floor_levels(captured_feet_TK3: np.ndarray) -> np.ndarray:
    """(K,) metres: the height of each foot joint where it stands, the median over its captured frames in contact."""
    from gesturebench.common.motion.parts import contacts

    heights = np.where(contacts(captured_feet_TK3), captured_feet_TK3[..., 1], np.nan)
    return np.nanmedian(heights, axis=0)


def sliding_speeds(feet_TK3: np.ndarray, levels_K: np.ndarray, height_m: float, fps: float = FPS) -> np.ndarray:
    """Horizontal speeds in m/s of every foot joint from frame to frame while it is on the ground in both: lower than
    `height_m` above its floor level."""
    low = feet_TK3[..., 1] - levels_K < height_m
    steps = np.linalg.norm(np.diff(feet_TK3[..., [0, 2]], axis=0), axis=-1)
    return steps[low[1:] & low[:-1]] * fps


def penetration(feet_TK3: np.ndarray, levels_K: np.ndarray) -> float:
    """Mean over frames of how far the deepest foot joint is below its floor level, metres, 0 where none is."""
    return float(np.maximum(levels_K - feet_TK3[..., 1], 0).max(1).mean())


class PlausibilityConfig(Config):
    """`contact_height_m` above its floor level up to which a foot joint is on the ground."""

    contact_height_m: float = Field(0.025, gt=0, allow_inf_nan=False)


class Plausibility(Evaluator):
    """Jerk, foot sliding and ground penetration, with the captured motion's own values as `<key>_captured`.

    The floor is not known, so each clip's captured feet tell where it is, joint by joint. A clip whose feet never touch
    the ground has no sliding; clips shorter than four frames are skipped and counted. People roll on their feet and
    markers shake, so captured motion is not at zero, and frozen motion is: closeness to the captured value counts.
    """

    name: ClassVar[str] = "plausibility"
    Config: ClassVar[type[Config]] = PlausibilityConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "jerk",
            "Jerk",
            "closer to ground truth",
            1,
            unit="m/s^3",
            formula="mean over frames and 55 joints of the third difference of positions x 30^3",
            source="Flash and Hogan 1985; as a mean over all joints in Yi et al. 2021 (TransPose, jitter)",
        ),
        Column(
            "foot_sliding",
            "Foot sliding",
            "closer to ground truth",
            2,
            unit="cm/s",
            formula="mean horizontal speed of ankles and feet less than 2.5 cm above their floor level in both frames",
            source="after Yuan et al. 2023 (PhysDiff, skate); contact height of Zhang et al. 2018 (MANN)",
        ),
        Column(
            "ground_penetration",
            "Penetration",
            "closer to ground truth",
            2,
            unit="cm",
            formula="mean over frames of the depth of the deepest foot joint below its floor level",
            source="after Yuan et al. 2023 (PhysDiff, penetrate), on joints instead of the mesh",
        ),
    )

    def reset(self) -> None:
        keys = [f"{column.key}{of}" for column in self.columns for of in ("", "_captured")]
        self.totals, self.weights = dict.fromkeys(keys, 0.0), dict.fromkeys(keys, 0)
        self.clips, self.skipped = 0, 0

    def update(self, prediction: Motion, clip: Clip) -> dict[str, float]:
        checked_pair(prediction, clip)
        if prediction.n_frames < SHORTEST:
            self.skipped += 1
            return {}
        self.clips += 1
        captured = body_positions(self.store.joints, clip.motion, clip)
        levels = floor_levels(captured[:, FEET])
        values = self._measured(body_positions(self.store.joints, prediction, clip), levels)
        true = {f"{key}_captured": found for key, found in self._measured(captured, levels).items()}
        for key, (value, weight) in (values | true).items():
            self.totals[key] += value * weight
            self.weights[key] += weight
        present = {key: found for key, found in values.items() if found[1]}
        return {k: value for k, (value, _) in present.items()} | {f"{k}_n": n for k, (_, n) in present.items()}

    def merge(self, other: Self) -> None:
        for key in self.totals:
            self.totals[key] += other.totals[key]
            self.weights[key] += other.weights[key]
        self.clips += other.clips
        self.skipped += other.skipped

    def compute(self) -> dict[str, Any]:
        if not self.clips:
            raise nothing_scored(self.name, f"at least one clip of {SHORTEST} frames ({self.skipped} are shorter)")
        means = {k: self.totals[k] / self.weights[k] if self.weights[k] else None for k in self.totals}
        return {**means, "n": self.clips, "skipped": self.skipped}

    def _measured(self, positions_TJ3: np.ndarray, levels_K: np.ndarray) -> dict[str, tuple[float, int]]:
        """(value, weight) by column key."""
        n, feet = len(positions_TJ3), positions_TJ3[:, FEET]
        speeds = sliding_speeds(feet, levels_K, self.config.contact_height_m)
        return {
            "jerk": (jerk(positions_TJ3), n - 3),
            "foot_sliding": (CM * float(speeds.mean()) if len(speeds) else 0.0, len(speeds)),
            "ground_penetration": (CM * penetration(feet, levels_K), n),
        }
