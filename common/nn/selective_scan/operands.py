"""What goes into a scan, checked once and brought to one form for all back ends."""

from dataclasses import dataclass

import torch
from torch import Tensor

NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state")


@dataclass(frozen=True, eq=False)
class Operands:
    """Arguments of a scan in one dtype, float32 or float64.

    u, delta, z (B, D, L); A (D, N); B and C (batch, groups, N, length), whose batch and length are 1 where they are
    constant; D and delta_bias (D,); initial_state (B, D, N). `softplus` is applied to delta + delta_bias.
    """

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    delta_bias: Tensor | None
    initial_state: Tensor | None
    softplus: bool

    @classmethod
    def of(cls, *tensors: Tensor | None, softplus: bool) -> "Operands":
        """From the arguments of `selective_scan` in the order of `NAMES`; a `ValueError` names the first that does not
        fit."""
        _check(dict(zip(NAMES, tensors, strict=True)))
        dtype = compute_dtype(*tensors)
        u, delta, A, B, C, *rest = (x if x is None or x.dtype == dtype else x.to(dtype) for x in tensors)
        return cls(u, delta, A, _grouped(B), _grouped(C), *rest, softplus=softplus)

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """All but the switch, in the order of `NAMES`."""
        return tuple(getattr(self, name) for name in NAMES)

    @property
    def state_shape(self) -> tuple[int, int, int]:
        return (*self.u.shape[:2], self.A.shape[1])


def compute_dtype(*tensors: Tensor | None) -> torch.dtype:
    """The widest dtype of the arguments, at least float32: a state decays over hundreds of steps.

    >>> compute_dtype(torch.zeros(1, dtype=torch.bfloat16), None)
    torch.float32
    """
    dtype = torch.float32
    for other in {tensor.dtype for tensor in tensors if tensor is not None}:
        dtype = torch.promote_types(dtype, other)
    return dtype


def _grouped(x: Tensor) -> Tensor:
    """B or C as (batch, groups, N, length): a constant (D, N) has a group per channel."""
    if x.dim() == 2:
        return x[None, :, :, None]
    return x.unsqueeze(1) if x.dim() == 3 else x


def _check(given: dict[str, Tensor | None]) -> None:
    u, states = given["u"], given["A"].shape[-1]
    if u.dim() != 3 or u.numel() == 0:
        raise _misfit("u", u, "(batch, dim, length), none of them 0")
    batch, dim, length = u.shape
    fits = {"delta": u.shape, "A": (dim, states), "z": u.shape, "D": (dim,), "delta_bias": (dim,)}
    fits |= {"initial_state": (batch, dim, states)}
    for name, shape in fits.items():
        if given[name] is not None and given[name].shape != torch.Size(shape):
            raise _misfit(name, given[name], str(tuple(shape)))
    for name in "BC":
        groups = given[name].shape[1] if given[name].dim() == 4 else 1
        shapes = ((dim, states), (batch, states, length), (batch, groups, states, length))
        if tuple(given[name].shape) not in shapes or groups == 0 or dim % groups:
            expected = f"{shapes[0]}, {shapes[1]} or (batch, groups, {states}, {length}), groups dividing {dim}"
            raise _misfit(name, given[name], expected)
    for name, tensor in given.items():
        if tensor is not None and not tensor.is_floating_point():
            raise ValueError(f"selective scan: {name} is {tensor.dtype}; expected real floating-point numbers")


def _misfit(name: str, tensor: Tensor, expected: str) -> ValueError:
    return ValueError(f"selective scan: {name} has shape {tuple(tensor.shape)}; expected {expected}")
