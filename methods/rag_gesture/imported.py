"""Weights from elsewhere in place of training: what RAG-Gesture adds to `methods/imported.py`. Imports nothing
heavy."""

from typing import Any

from gesturebench.common.config import merged
from gesturebench.common.errors import InputError
from gesturebench.methods import imported
from gesturebench.methods.base import Component
from gesturebench.methods.rag_gesture.condition_features import widths
from gesturebench.methods.rag_gesture.config import PRESETS, ConditionConfig, RagGestureConfig

METHOD = "rag_gesture"


def dictated(weights: str) -> dict[str, Any]:
    """Sizes and settings of the weights; the published conditions too, where their rows are as wide as the weights
    read.
    """
    values = imported.dictated(weights, METHOD)
    published = PRESETS["paper"].conditions
    if _widths(published) == imported.passport_of(weights, METHOD).widths:
        values = merged({"conditions": published.model_dump()}, values)
    return values


def imported_components(config: RagGestureConfig) -> tuple[Component, ...]:
    """One component per imported part; conditions of another width than the weights read are refused."""
    components = imported.imported_components(config, METHOD)
    read = imported.passport_of(config.weights, METHOD).widths
    for condition, width in _widths(config.conditions).items():
        if width != read[condition]:
            raise InputError(
                f"conditions.{condition} = {getattr(config.conditions, condition)}, {width} numbers per row",
                expected=f"{read[condition]}, as the weights in {imported.folder_of(config.weights)} read",
                remedy="choose a feature of that width",
            )
    return components


def _widths(conditions: ConditionConfig) -> dict[str, int]:
    return dict(zip(("text", "audio"), widths(conditions), strict=True))
