"""What grids may name before it is built: a row that does is told apart from a misspelt one, and the rest of the grid
runs without it."""

from collections.abc import Mapping
from typing import Any

METHODS = {
    "exges": "ExGes (retrieved keyframes and precise control)",
    "diffuse_style_gesture": "DiffuseStyleGesture (diffusion with windowed attention)",
}
"""Methods of the suite by name. One that is registered is built, whatever stands here."""

VALUES: Mapping[str, Mapping[str, frozenset[Any]]] = {}
"""By method, values of its settings by dotted key: `{"rag_gesture": {"retrieval.strategy": frozenset({"soon"})}}`. One
that the method's configuration accepts is built."""

SEVERAL_SAMPLES = (
    "it compares several motions for one speech, a row of a grid makes one for each seed; score folders rep0, rep1, "
    "... with `gesturebench evaluate`"
)
"""Why MultiModality of embeddings has no place in a grid."""


def planned_values(method: str, overrides: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The dotted keys of nested overrides whose values are planned for this method."""
    known = VALUES.get(method, {})
    return [(key, value) for key, values in known.items() if (value := _at(overrides, key)) in values]


def _at(overrides: Any, key: str) -> Any:
    for part in key.split("."):
        overrides = overrides.get(part) if isinstance(overrides, Mapping) else None
    return overrides if isinstance(overrides, str) else None
