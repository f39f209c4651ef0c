"""Does a motion's embedding lie near its own speech? R-precision, distance of matched pairs (Guo et al. 2022)."""

from typing import ClassVar, Literal

from pydantic import Field

from gesturebench.common.embedding.matching import matched_distances, r_precision
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.embedding import Embedded, EmbeddingMetric, EmbeddingSettings, Random


class RPrecisionConfig(EmbeddingSettings):
    """`batch` of rows that compete, `last_batch` if it is shorter: `dropped`, or `kept` as in released code, where it
    is the easier one."""

    batch: int = Field(32, ge=2)
    last_batch: Literal["dropped", "kept"] = "dropped"


class RPrecision(EmbeddingMetric):
    """R-precision at 1, 2 and 3 over the rows in a drawn order, cut into batches. Chance is k / batch."""

    name: ClassVar[str] = "r_precision"
    compares: ClassVar[bool] = True
    Config: ClassVar[type[EmbeddingSettings]] = RPrecisionConfig
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


class MMDistanceConfig(EmbeddingSettings):
    """Nothing of its own."""


class MMDistance(EmbeddingMetric):
    """Mean distance between the embeddings of a unit's speech and of its motion."""

    name: ClassVar[str] = "mm_distance"
    compares: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    Config: ClassVar[type[EmbeddingSettings]] = MMDistanceConfig
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

    def by_clip(self, rows: Embedded) -> dict[str, float]:
        mean = matched_distances(rows.speech, rows.motion).mean()
        return {"mm_distance": float(mean), "mm_distance_n": len(rows.ids)}
