"""Tensors by name, held against those that a network expects: everything that differs stands in one error."""

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gesturebench.common.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

NAMED = 8
"""Tensors of a fault that are named, before the rest is counted."""
_COMPARED = 200
"""Names up to which misspelt ones are looked for: beyond that it is another network, not a slip."""


def require_same(found: Mapping[str, "Tensor"], expected: Mapping[str, "Tensor"], where: str, remedy: str) -> None:
    """Refuse missing, superfluous and wrongly shaped or typed tensors, and numbers that are not finite.

    `expected` may live on the device `meta`: only names, shapes and types of it are read.
    """
    faults = _faults(found, expected)
    if faults:
        raise InputError(f"{where}: {'; '.join(faults)}", expected=f"{len(expected)} tensors", remedy=remedy)


def _faults(found: Mapping[str, "Tensor"], expected: Mapping[str, "Tensor"]) -> list[str]:
    missing = [name for name in expected if name not in found]
    superfluous = [name for name in found if name not in expected]
    common = [name for name in expected if name in found]
    shapes = [
        f"{name} is {_form(found[name])}, not {_form(expected[name])}"
        for name in common
        if _form(found[name]) != _form(expected[name])
    ]
    broken = [name for name in common if not found[name].is_meta and not found[name].isfinite().all()]
    near = _near(missing, superfluous)
    told = [f"{name} (there is {near[name]})" if name in near else name for name in missing]
    kinds = {"missing": told, "superfluous": superfluous, "wrongly shaped": shapes, "not finite": broken}
    return [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])


def _near(missing: Sequence[str], superfluous: Sequence[str]) -> dict[str, str]:
    """Names that are missing -> superfluous ones that may be they, misspelt."""
    if len(missing) * len(superfluous) > _COMPARED**2:
        return {}
    found = {name: difflib.get_close_matches(name, superfluous, n=1, cutoff=0.85) for name in missing[:NAMED]}
    return {name: near[0] for name, near in found.items() if near}


def _form(tensor: "Tensor") -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
