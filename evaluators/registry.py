"""Finding evaluators by name."""

from collections.abc import Mapping
from importlib import import_module

from gesturebench.common.errors import unknown_name
from gesturebench.evaluators.base import Evaluator
from gesturebench.evaluators.embedding import EmbeddingMetric

BUILT_IN = {
    "fgd": "gesturebench.evaluators.fgd:FGD",
    "bc": "gesturebench.evaluators.beat_consistency:BeatConsistency",
    "l1div": "gesturebench.evaluators.l1div:L1Div",
    "stress_beats": "gesturebench.evaluators.stress_beats:StressBeats",
    "semantic_hit": "gesturebench.evaluators.semantic_hit:SemanticHit",
    "diversity": "gesturebench.evaluators.diversity:Diversity",
    "multimodality": "gesturebench.evaluators.multimodality:MultiModality",
    "srgr": "gesturebench.evaluators.srgr:SRGR",
    "mpjpe": "gesturebench.evaluators.mpjpe:MPJPE",
    "plausibility": "gesturebench.evaluators.plausibility:Plausibility",
    "face_mse": "gesturebench.evaluators.face:FaceMSE",
    "lvd": "gesturebench.evaluators.face:LVD",
}

ON_EMBEDDINGS = {
    "r_precision": "gesturebench.evaluators.embedding_matching:RPrecision",
    "mm_distance": "gesturebench.evaluators.embedding_matching:MMDistance",
    "embedding_fid": "gesturebench.evaluators.embedding_fid:EmbeddingFID",
    "embedding_diversity": "gesturebench.evaluators.embedding_spread:EmbeddingDiversity",
    "embedding_multimodality": "gesturebench.evaluators.embedding_spread:EmbeddingMultiModality",
    "rare_mm_distance": "gesturebench.evaluators.rareness:RareMMDistance",
}
"""Metrics of arrays that an encoder of speech and motion made."""


def evaluator_names() -> list[str]:
    return sorted(BUILT_IN)


def embedding_metric_names() -> list[str]:
    return sorted(ON_EMBEDDINGS)


def get_evaluator(name: str) -> type[Evaluator]:
    """By name; a metric on embeddings comes as the evaluator that embeds motion and asks it."""
    if name not in ON_EMBEDDINGS:
        return _named(name, BUILT_IN, {**BUILT_IN, **ON_EMBEDDINGS})
    from gesturebench.evaluators.on_embedding import on_motion

    return on_motion(get_embedding_metric(name))


def get_embedding_metric(name: str) -> type[EmbeddingMetric]:
    return _named(name, ON_EMBEDDINGS)


def _named(name: str, known: Mapping[str, str], told: Mapping[str, str] | None = None):
    if name not in known:
        raise unknown_name("metric", name, told or known)
    module, _, attribute = known[name].partition(":")
    return getattr(import_module(module), attribute)
