"""Metrics on embeddings as evaluators of motion: pairs of motion and clip are cut into phrases and embedded by the
contrastive evaluator that a step of the plan has trained.

Legend: N units of a pair, D dimensions.
"""

from functools import cache, cached_property
from typing import Any, ClassVar, Self

import numpy as np

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import Clip, Motion
from gesturebench.common.embedding.config import EmbeddingPart, embedding_part, missing_models, preset
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.evaluators.base import Evaluator
from gesturebench.evaluators.embedding import Embedded, EmbeddingMetric, replicated
from gesturebench.evaluators.pairs import checked_pair
from gesturebench.evaluators.rareness import rareness


@cache
def on_motion(metric: type[EmbeddingMetric]) -> type["OnEmbedding"]:
    """The evaluator that embeds motion and asks `metric`."""
    names = ("name", "Config", "columns", "version", "takes_samples", "__doc__")
    shared = {name: getattr(metric, name) for name in names}
    return type(f"{metric.__name__}OnMotion", (OnEmbedding,), {**shared, "metric": metric})


class OnEmbedding(Evaluator):
    """A metric on the embeddings of phrases of 2 to 10 s. Where it draws, numbers are means over replications and
    `<column>_interval` is half of their 95 % interval.

    The encoder is one step for all such metrics of a grid. `informative` says whether it passed its validity gate; a
    metric that compares speech and motion means nothing where it did not. Phrases of clips without words do not exist:
    such clips are counted as `skipped`.
    """

    metric: ClassVar[type[EmbeddingMetric]]
    fitted: ClassVar[bool] = True
    by_unit: ClassVar[bool] = True

    @classmethod
    def preset(cls, size: str) -> Config:
        return cls.metric.preset(size).updated({"encoder": preset(size).model_dump()})

    @classmethod
    def trained_part(cls, config: Config) -> EmbeddingPart:
        return embedding_part(config.encoder)

    @classmethod
    def fit_sections(cls, config: Config) -> dict[str, Any]:
        return dict(embedding_part(config.encoder).config)

    @classmethod
    def absences(cls, config: Config) -> tuple[str, ...]:
        return missing_models(config.encoder)

    @classmethod
    def score_sections(cls, config: Config) -> dict[str, Any]:
        return config.model_dump(mode="json", exclude={"encoder"})

    @classmethod
    def fit(cls, config: Config, context: FitContext) -> None:
        from dataclasses import replace

        from gesturebench.common.embedding.fitting import fit_embedding

        part = embedding_part(config.encoder)
        fit_embedding(part.config, replace(context, place=part.place))

    def reset(self) -> None:
        self._rows = self.metric(self.config)
        self._samples: dict[str, int] = {}
        self.skipped = 0

    def update(self, prediction: Motion, clip: Clip, unit: str | None = None) -> dict[str, float]:
        checked_pair(prediction, clip)
        name = unit or clip.id
        rows = self._embedded(prediction, clip, name)
        if rows is None:
            self.skipped += 1
            return {}
        self._samples[name] = self._samples.get(name, 0) + 1
        self._rows.update(rows)
        return self._rows.by_clip(rows)

    def merge(self, other: Self) -> None:
        self._rows.merge(other._rows)
        self.skipped += other.skipped

    def compute(self) -> dict[str, Any]:
        from gesturebench.common.embedding.artifact import identity_of

        facts = {"n": self._rows.n, "skipped": self.skipped, "encoder": identity_of(self._artifact)}
        if self.metric.compares:
            gate = self._gate
            told = {"ceiling": gate.ceiling[-1], "floor": gate.floor[-1], "chance": gate.chance}
            facts |= {f"gate_{name}": value for name, value in told.items()} | {"informative": gate.informative}
        if not self.metric.draws:
            return {**self._rows.compute(), **facts}
        found = replicated(self._rows, self.config.replications)
        numbers = {key: estimate.mean for key, estimate in found.items()}
        numbers |= {f"{key}_interval": estimate.half_width for key, estimate in found.items()}
        return {**numbers, "replications": self.config.replications, **facts}

    def _embedded(self, prediction: Motion, clip: Clip, name: str) -> Embedded | None:
        """The rows of a pair; None where it has no phrase."""
        from gesturebench.common.embedding.embed import embed_poses, embed_units, embedding_of
        from gesturebench.common.embedding.spoken import spoken_units
        from gesturebench.common.embedding.units import phrase_spans

        config = embedding_of(self._artifact).config
        spans = phrase_spans(clip.speech.words, clip.motion.n_frames, config.units)
        if not spans:
            return None
        wanted, spoken = self.metric.requires, spoken_units(clip.speech, spans, config)
        return Embedded(
            [f"{name}/{start}" for start, _ in spans],
            embed_units(self._artifact, spoken).numpy(),
            embed_poses(self._artifact, prediction.poses, spans).numpy(),
            embed_poses(self._artifact, clip.motion.poses, spans).numpy() if "captured" in wanted else None,
            rareness(np.stack([unit.sentence for unit in spoken]), self._transcripts) if "rareness" in wanted else None,
            np.full(len(spans), self._samples.get(name, 0)),
        )

    @cached_property
    def _gate(self):
        from gesturebench.common.embedding.artifact import read_gate

        return read_gate(self._artifact)

    @cached_property
    def _transcripts(self) -> np.ndarray:
        from gesturebench.common.embedding.artifact import read_transcripts

        return read_transcripts(self._artifact)

    @property
    def _artifact(self):
        if self.artifact is None:
            raise InputError(
                f"{self.name} has no encoder",
                expected="the folder of a trained contrastive evaluator",
                remedy=f"run a grid with the metric {self.name} first",
            )
        return self.artifact
