"""How far apart motions lie in an embedding: of different units (diversity), of one unit (multimodality). Guo et al.
2022.

Legend: N rows, D dimensions, P drawn pairs, I units, S samples of a unit.
"""

from collections import Counter
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from gesturebench.common.embedding.matching import matched_distances
from gesturebench.common.errors import InputError
from gesturebench.evaluators.base import Column
from gesturebench.evaluators.embedding import Embedded, EmbeddingMetric, EmbeddingSettings, Random


def drawn_pairs(n: int, pairs: int, random: Random) -> tuple[np.ndarray, np.ndarray]:
    """Two index sets (P,), each without repetition: the members of a pair may be the same row."""
    return random.choice(n, pairs, replace=False), random.choice(n, pairs, replace=False)


def diversity(motion_ND: np.ndarray, first_P: np.ndarray, second_P: np.ndarray) -> float:
    """Mean distance of drawn pairs of rows."""
    return float(matched_distances(motion_ND[first_P], motion_ND[second_P]).mean())


def multimodality(motion_ISD: np.ndarray, first_P: np.ndarray, second_P: np.ndarray) -> float:
    """Mean distance of drawn pairs of samples, the same pairs for every unit."""
    return float(matched_distances(motion_ISD[:, first_P], motion_ISD[:, second_P]).mean())


class EmbeddingDiversityConfig(EmbeddingSettings):
    """`pairs` that are drawn."""

    pairs: int = Field(300, ge=1)


class EmbeddingDiversity(EmbeddingMetric):
    """Diversity of generated motion; captured motion has its own value, so closeness to it is what counts."""

    name: ClassVar[str] = "embedding_diversity"
    Config: ClassVar[type[EmbeddingSettings]] = EmbeddingDiversityConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "embedding_diversity",
            "Diversity (embedding)",
            "closer to ground truth",
            3,
            unit="unit of the embedding",
            formula="mean distance of 300 random pairs of motion embeddings, both sides drawn without replacement",
            scales={"ReMoDiffuse": 1.0},
            source="Guo et al. 2022; ReMoDiffuse (Zhang et al. 2023), Table 1",
        ),
    )

    @classmethod
    def preset(cls, size: str) -> EmbeddingDiversityConfig:
        return EmbeddingDiversityConfig(pairs={"tiny": 30, "demo": 50}.get(size, 300))

    def _values(self, rows: Embedded, random: Random) -> dict[str, float]:
        n, pairs = len(rows.ids), self.config.pairs
        if n < pairs:
            raise InputError(
                f"embedding_diversity of {n} embeddings", expected=f"at least {pairs}", remedy="set pairs to fewer"
            )
        return {"embedding_diversity": diversity(rows.motion, *drawn_pairs(n, pairs, random))}


class EmbeddingMultiModalityConfig(EmbeddingSettings):
    """`units` drawn with replacement, `samples` of each, `pairs` of samples that are compared; a unit that lacks a
    sample is refused."""

    units: int = Field(100, ge=1)
    samples: int = Field(30, ge=2)
    pairs: int = Field(10, ge=1)
    missing: Literal["refuse"] = "refuse"


class EmbeddingMultiModality(EmbeddingMetric):
    """Spread of the motions generated for one unit. A unit with another number of samples is refused."""

    name: ClassVar[str] = "embedding_multimodality"
    Config: ClassVar[type[EmbeddingSettings]] = EmbeddingMultiModalityConfig
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "embedding_multimodality",
            "MultiModality (embedding)",
            "higher",
            3,
            unit="unit of the embedding",
            formula="mean over 100 drawn units of the mean distance of 10 pairs of their 30 motion embeddings",
            scales={"ReMoDiffuse": 1.0},
            source="Guo et al. 2022; ReMoDiffuse (Zhang et al. 2023), Table 1",
        ),
    )

    takes_samples: ClassVar[bool] = True

    @classmethod
    def preset(cls, size: str) -> EmbeddingMultiModalityConfig:
        small = size in ("tiny", "demo")
        return EmbeddingMultiModalityConfig(**({"units": 20, "samples": 10, "pairs": 5} if small else {}))

    def _values(self, rows: Embedded, random: Random) -> dict[str, float]:
        samples, pairs = self.config.samples, self.config.pairs
        for unit, count in Counter(rows.ids).items():
            if count != samples:
                raise InputError(
                    f"embedding_multimodality: unit {unit} has {count} samples",
                    expected=str(samples),
                    remedy="generate the others, or set samples",
                )
        if pairs > samples:
            raise InputError(
                f"embedding_multimodality: {pairs} pairs",
                expected=f"at most {samples}, the samples of a unit",
                remedy="set pairs to fewer",
            )
        motion_ISD = rows.motion.reshape(-1, samples, rows.motion.shape[1])
        chosen = random.choice(len(motion_ISD), self.config.units, replace=True)
        value = multimodality(motion_ISD[chosen], *drawn_pairs(samples, pairs, random))
        return {"embedding_multimodality": value}
