"""Weights from elsewhere in place of training: the settings they dictate, and the components that take them. Imports
nothing heavy.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gesturebench.common.config import merged
from gesturebench.common.errors import InputError
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.base import Component
from gesturebench.methods.rag_gesture.condition_features import widths
from gesturebench.methods.rag_gesture.config import PRESETS, ConditionConfig, RagGestureConfig

TAKE = "gesturebench.common.weights.artifact:take"
METHOD = "rag_gesture"


def dictated(weights: str) -> dict[str, Any]:
    """Sizes of the imported weights and the settings they were released with; the published conditions too, where
    their rows are as wide as the weights read.
    """
    passport = _passport(weights)
    values = merged(dict(passport.settings), dict(passport.sizes))
    published = PRESETS["paper"].conditions
    if _widths(published) == passport.widths:
        values = merged({"conditions": published.model_dump()}, values)
    return values


def imported_components(config: RagGestureConfig) -> tuple[Component, ...]:
    """One component per imported part, known by the passport's hash; settings that tensors do not have are refused."""
    passport, folder = _passport(config.weights), _folder(config.weights)
    _require_agreement(config, passport, folder)
    return tuple(
        Component(
            name,
            TAKE,
            {"passport": passport.sha256, "component": name},
            seeded=False,
            place={"weights": str(folder)},
        )
        for name in passport.parts
    )


def _folder(weights: str) -> Path:
    return Path(weights).expanduser().resolve()


def _passport(weights: str) -> Passport:
    passport = Passport.read(_folder(weights))
    if passport.method != METHOD:
        raise InputError(f"{weights}: weights of {passport.method}", expected=f"weights of {METHOD}")
    return passport


def _require_agreement(config: RagGestureConfig, passport: Passport, folder: Path) -> None:
    for key, size, own in _pairs(passport.sizes, config.model_dump()):
        if size != own:
            raise InputError(
                f"{key} = {own}", expected=f"{size}, as the weights in {folder} have it", remedy=f"leave {key} out"
            )
    for condition, width in _widths(config.conditions).items():
        if width != passport.widths[condition]:
            raise InputError(
                f"conditions.{condition} = {getattr(config.conditions, condition)}, {width} numbers per row",
                expected=f"{passport.widths[condition]}, as the weights in {folder} read",
                remedy="choose a feature of that width",
            )


def _pairs(sizes: Mapping[str, Any], own: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, value of the weights, value of the configuration."""
    for name, size in sizes.items():
        if isinstance(size, Mapping):
            yield from _pairs(size, own[name], f"{before}{name}.")
        else:
            yield f"{before}{name}", size, own[name]


def _widths(conditions: ConditionConfig) -> dict[str, int]:
    return dict(zip(("text", "audio"), widths(conditions), strict=True))
