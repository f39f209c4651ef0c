"""FID on an embedding: Fréchet distance between generated and captured motion in a joint space of speech and motion."""

from typing import ClassVar

from gesturebench.evaluators.base import Column
from gesturebench.evaluators.embedding import Embedded, EmbeddingMetric, EmbeddingSettings, Random
from gesturebench.evaluators.frechet import Moments, frechet_distance


class EmbeddingFIDConfig(EmbeddingSettings):
    """Nothing of its own."""


class EmbeddingFID(EmbeddingMetric):
    """One embedding per unit on both sides. With no more units than dimensions the covariances are singular and the
    value is biased upwards: read it beside `n`."""

    name: ClassVar[str] = "embedding_fid"
    draws: ClassVar[bool] = False
    Config: ClassVar[type[EmbeddingSettings]] = EmbeddingFIDConfig
    requires: ClassVar[tuple[str, ...]] = ("captured",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "embedding_fid",
            "FID",
            "lower",
            3,
            unit="squared unit of the embedding",
            formula="|mu_g - mu_c|^2 + tr(S_g + S_c - 2 (S_g S_c)^(1/2)) over motion embeddings",
            scales={"ReMoDiffuse": 1.0},
            source="Heusel et al. 2017, eq. 6; Guo et al. 2022; ReMoDiffuse (Zhang et al. 2023), Table 1",
        ),
    )

    def _values(self, rows: Embedded, random: Random) -> dict[str, float]:
        return {"embedding_fid": frechet_distance(Moments.of(rows.motion), Moments.of(rows.captured))}
