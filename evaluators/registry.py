"""Finding evaluators by name."""

from importlib import import_module

from gesturebench.common.errors import unknown_name
from gesturebench.evaluators.base import Evaluator

BUILT_IN = {
    "fgd": "gesturebench.evaluators.fgd:FGD",
    "bc": "gesturebench.evaluators.beat_consistency:BeatConsistency",
    "l1div": "gesturebench.evaluators.l1div:L1Div",
    "semantic_hit": "gesturebench.evaluators.semantic_hit:SemanticHit",
}


def evaluator_names() -> list[str]:
    return sorted(BUILT_IN)


def get_evaluator(name: str) -> type[Evaluator]:
    if name not in BUILT_IN:
        raise unknown_name("metric", name, BUILT_IN)
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(import_module(module), attribute)
