"""Does a motion's embedding lie near its own speech? R-precision and the distance of matched pairs (Guo et al. 2022).

Legend: B rows of a batch, N all rows, D dimensions, K the largest rank that counts.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from gesturebench.common.config import Config
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.embedding import Embedded, EmbeddingMetric, Random


def distance_matrix(a_BD: np.ndarray, b_BD: np.ndarray) -> np.ndarray:
    """(B, B') Euclidean distances by differences: equal rows give 0, where |a|^2 - 2ab + |b|^2 may give NaN."""
    return np.linalg.norm(np.asarray(a_BD, np.float64)[:, None] - np.asarray(b_BD, np.float64), axis=-1)


def matched_distances(a_ND: np.ndarray, b_ND: np.ndarray) -> np.ndarray:
    """(N,) Euclidean distance of each row to its partner."""
    return np.linalg.norm(np.asarray(a_ND, np.float64) - b_ND, axis=-1)


def ranks(distances_BB: np.ndarray) -> np.ndarray:
    """(B,) how many others come before a row's own partner; of equal distances the earlier column comes first, so that
    a space collapsed to a point scores chance, not 1."""
    own = np.diagonal(distances_BB)[:, None]
    earlier = np.tri(len(distances_BB), k=-1, dtype=bool)
    return ((distances_BB < own) | ((distances_BB == own) & earlier)).sum(1)


def top_k(distances_BB: np.ndarray, k: int) -> np.ndarray:
    """(B, K) bool: the row's own partner is among its 1, 2 ... K nearest."""
    return ranks(distances_BB)[:, None] < np.arange(1, k + 1)


def r_precision(
    speech_ND: np.ndarray, motion_ND: np.ndarray, *, batch: int = 32, k: int = 3, drop_last: bool = True
) -> np.ndarray:
    """(K,) share of rows whose partner is among the 1 ... K nearest of their batch; batches are consecutive rows."""
    last = len(speech_ND) // batch * batch if drop_last else len(speech_ND)
    hits = [
        top_k(distance_matrix(speech_ND[start : start + batch], motion_ND[start : start + batch]), k)
        for start in range(0, last, batch)
    ]
    return np.concatenate(hits).mean(0)


class RPrecisionConfig(Config):
    """`batch` of rows that compete, `last_batch` if it is shorter: `dropped`, or `kept` as in released code, where it
    is the easier one."""

    batch: int = Field(32, ge=2)
    last_batch: Literal["dropped", "kept"] = "dropped"


class RPrecision(EmbeddingMetric):
    """R-precision at 1, 2 and 3 over the rows in a drawn order, cut into batches. Chance is k / batch."""

    name: ClassVar[str] = "r_precision"
    Config: ClassVar[type[Config]] = RPrecisionConfig
    columns: ClassVar[tuple[Column, ...]] = tuple(
        Column(
            f"r_precision_{k}",
            f"R@{k}",
            "higher",
            3,
            unit="share",
            formula=f"share of units whose motion is among the {k} nearest of 32 to its own speech",
            scales={"ReMoDiffuse": 1.0},
            source="Guo et al. 2022; ReMoDiffuse (Zhang et al. 2023), Table 1",
        )
        for k in (1, 2, 3)
    )

    def _values(self, rows: Embedded, random: Random) -> dict[str, float]:
        order, batch, drop = random.permutation(len(rows.ids)), self.config.batch, self.config.last_batch == "dropped"
        if drop and len(order) < batch:
            raise InputError(
                f"r_precision of {len(order)} embeddings",
                expected=f"at least {batch}, one whole batch",
                remedy="embed more units, or set last_batch: kept and name the smaller pool",
            )
        precision = r_precision(rows.speech[order], rows.motion[order], batch=batch, drop_last=drop)
        return {column.key: float(value) for column, value in zip(self.columns, precision)}


class MMDistanceConfig(Config):
    """Nothing to set."""


class MMDistance(EmbeddingMetric):
    """Mean distance between the embeddings of a unit's speech and of its motion."""

    name: ClassVar[str] = "mm_distance"
    Config: ClassVar[type[Config]] = MMDistanceConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "mm_distance",
            "MM Dist",
            "lower",
            3,
            unit="unit of the embedding",
            formula="mean over units of |speech embedding - motion embedding|",
            scales={"ReMoDiffuse": 1.0},
            source="Guo et al. 2022; ReMoDiffuse (Zhang et al. 2023), Table 1",
        ),
    )

    def _values(self, rows: Embedded, random: Random) -> dict[str, float]:
        return {"mm_distance": float(matched_distances(rows.speech, rows.motion).mean())}
