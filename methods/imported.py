"""Weights from elsewhere in place of training: the settings they dictate, and the components that take them. Imports
nothing heavy.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gesturebench.common.config import Config, merged
from gesturebench.common.errors import InputError
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.base import Component

TAKE = "gesturebench.common.weights.artifact:take"


def folder_of(weights: str) -> Path:
    """Where imported weights lie."""
    return Path(weights).expanduser().resolve()


def passport_of(weights: str, method: str) -> Passport:
    """The passport of a folder of weights; those of another method are refused."""
    passport = Passport.read(folder_of(weights))
    if passport.method != method:
        raise InputError(f"{weights}: weights of {passport.method}", expected=f"weights of {method}")
    return passport


def dictated(weights: str, method: str) -> dict[str, Any]:
    """Sizes of the imported weights and the settings they were released with, nested."""
    passport = passport_of(weights, method)
    return merged(dict(passport.settings), dict(passport.sizes))


def imported_components(config: Config, method: str) -> tuple[Component, ...]:
    """One component per imported part of `config.weights`, known by the passport's hash; settings of the configuration
    that tensors do not have are refused."""
    passport, folder = passport_of(config.weights, method), folder_of(config.weights)
    for key, size, own in _pairs(passport.sizes, config.model_dump()):
        if size != own:
            raise InputError(
                f"{key} = {own}", expected=f"{size}, as the weights in {folder} have it", remedy=f"leave {key} out"
            )
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


def _pairs(sizes: Mapping[str, Any], own: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, value of the weights, value of the configuration."""
    for name, size in sizes.items():
        if isinstance(size, Mapping):
            yield from _pairs(size, own[name], f"{before}{name}.")
        else:
            yield f"{before}{name}", size, own[name]
