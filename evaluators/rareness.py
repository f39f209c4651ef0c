"""Rare speech: does a motion still match when nothing like its transcript was trained on? (ReMoDiffuse, section 4.5.)

Legend: N test units, M training phrases, D dimensions of the text feature.
"""

from math import ceil
from typing import ClassVar

import numpy as np
from pydantic import Field

from gesturebench.common.embedding.matching import matched_distances
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.embedding import Embedded, EmbeddingMetric, EmbeddingSettings, Random


def rareness(text_ND: np.ndarray, training_MD: np.ndarray) -> np.ndarray:
    """(N,) r = 1 - max_i cos(text, training_i): 0 for a phrase that was trained on, up to 2. An all-zero feature is at
    cosine 0 to everything.

    >>> rareness(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0]])).tolist()
    [0.0, 1.0]
    """
    for name, x in (("text", text_ND), ("training", training_MD)):
        if np.ndim(x) != 2 or np.shape(x)[1] != np.shape(text_ND)[-1] or not len(x) or not np.isfinite(x).all():
            raise InputError(
                f"rareness: {name} features of shape {np.shape(x)}, {np.size(x) - np.isfinite(x).sum()} not finite",
                expected="a finite row per phrase, at least one, of equal width on both sides",
                remedy="embed both with the same text encoder",
            )
    return 1 - (_unit(text_ND) @ _unit(training_MD).T).max(1)


def _unit(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)


def tail_mean(values_N: np.ndarray, rareness_N: np.ndarray, share: float = 0.05) -> float:
    """Mean over the ceil(share N) rarest units, the last after a stable ascending sort; at least one."""
    count = max(ceil(round(share * len(values_N), 9)), 1)  # 0.05 x 140 is a little more than 7
    return float(values_N[np.argsort(rareness_N, kind="stable")[-count:]].mean())


def balanced_mean(values_N: np.ndarray, rareness_N: np.ndarray, bins: int = 100) -> float:
    """Mean over bins of the mean in the bin: equal bins from the smallest to the largest rareness, the largest in the
    last one; empty bins do not count."""
    low, width = rareness_N.min(), np.ptp(rareness_N)
    place = np.zeros(len(values_N)) if width == 0 else (rareness_N - low) / width * bins
    index = np.minimum(place.astype(np.int64), bins - 1)
    totals, counts = np.bincount(index, values_N, bins), np.bincount(index, minlength=bins)
    return float((totals[counts > 0] / counts[counts > 0]).mean())


class RarenessConfig(EmbeddingSettings):
    """`tail` share of the units that counts as rare, number of equal `bins` of rareness."""

    tail: float = Field(0.05, gt=0, le=1)
    bins: int = Field(100, ge=1)


class RareMMDistance(EmbeddingMetric):
    """MM distance of the rarest units, and balanced over rareness; `Embedded.rareness` comes from `rareness`."""

    name: ClassVar[str] = "rare_mm_distance"
    compares: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    Config: ClassVar[type[EmbeddingSettings]] = RarenessConfig
    requires: ClassVar[tuple[str, ...]] = ("rareness",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "mm_distance_tail",
            "MM Dist, tail 5 %",
            "lower",
            3,
            unit="unit of the embedding",
            formula="mean of |speech - motion embedding| over the 5 % of units with the largest rareness",
            scales={"ReMoDiffuse": 1.0},
            source="ReMoDiffuse (Zhang et al. 2023), section 4.5 and Table 4",
        ),
        Column(
            "mm_distance_balanced",
            "MM Dist, balanced",
            "lower",
            3,
            unit="unit of the embedding",
            formula="mean over 100 equal bins of rareness of the mean |speech - motion embedding| in the bin",
            scales={"ReMoDiffuse": 1.0},
            source="ReMoDiffuse (Zhang et al. 2023), section 4.5 and Table 4",
        ),
    )

    def _values(self, rows: Embedded, random: Random) -> dict[str, float]:
        distances = matched_distances(rows.speech, rows.motion)
        return {
            "mm_distance_tail": tail_mean(distances, rows.rareness, self.config.tail),
            "mm_distance_balanced": balanced_mean(distances, rows.rareness, self.config.bins),
        }
