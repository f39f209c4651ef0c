"""Which back end runs: by name, or the fastest that is installed and fits device and dtype."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.nn.selective_scan.operands import Operands

Scan = Callable[[Operands], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Backend:
    """A module with a function `scan(operands) -> (y, last state)`, and what it takes to run it."""

    module: str
    needs: str | None = None
    """A package that may be missing."""
    remedy: str | None = None
    device: str | None = None
    """The only kind of device it runs on."""
    double: bool = True
    """Whether it computes in float64."""
    carries: bool = True
    """Whether it takes an initial state."""

    @property
    def installed(self) -> bool:
        return self.needs is None or _found(self.needs)

    def misfit(self, o: Operands) -> str | None:
        """Why it cannot run these operands, None if it can."""
        if self.device and o.u.device.type != self.device:
            return f"runs on {self.device} tensors, these are on {o.u.device.type}"
        if not self.double and o.u.dtype == torch.float64:
            return "computes in float32, these operands are float64"
        if not self.carries and o.initial_state is not None:
            return "takes no initial state"
        return None

    def load(self) -> Scan:
        return _function(self.module)


BACKENDS = {
    "reference": Backend("reference"),
    "torch": Backend("chunked"),
    "numba": Backend("numba_backend", "numba", "pip install 'gesturebench[fast]'", "cpu"),
    "triton": Backend("triton_backend", "triton", "pip install triton", "cuda"),
    "mamba_ssm": Backend(
        "mamba_package",
        "mamba_ssm",
        "build the package mamba-ssm with its compiled selective scan",
        "cuda",
        double=False,
        carries=False,
    ),
}
PREFERRED = ("mamba_ssm", "triton", "numba", "torch")
"""In this order for `auto`; the last runs everywhere."""


@cache
def _function(module: str) -> Scan:
    return import_module(f"gesturebench.common.nn.selective_scan.{module}").scan


@cache
def _found(package: str) -> bool:
    return find_spec(package) is not None


def backends_here() -> list[str]:
    """Names of the back ends whose packages are installed."""
    return [name for name, backend in BACKENDS.items() if backend.installed]


def choose(name: str, o: Operands) -> str:
    """The back end called `name`, or for `auto` the first of `PREFERRED` that can run these operands.

    `auto` leaves float64 on the CPU to `torch`: it is for tests, and a kernel of its own takes seconds to compile.
    """
    if name == "auto":
        fits = (b for b in PREFERRED if BACKENDS[b].installed and BACKENDS[b].misfit(o) is None)
        return next(b for b in fits if b != "numba" or o.u.dtype != torch.float64)
    if name not in BACKENDS:
        raise unknown_name("back end of the selective scan", name, ("auto", *BACKENDS))
    backend = BACKENDS[name]
    if not backend.installed:
        raise InputError(
            f"the back end {name!r} of the selective scan needs the package {backend.needs}",
            expected=f"auto or one of those installed: {', '.join(backends_here())}",
            remedy=backend.remedy,
        )
    if why := backend.misfit(o):
        raise InputError(f"the back end {name!r} of the selective scan {why}", remedy="choose auto or torch")
    return name
