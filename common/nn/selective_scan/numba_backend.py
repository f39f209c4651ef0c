"""Back end `numba`: one fused pass on the CPU, compiled at its first call and then read from the user's cache.

The kernels do not hold Python's lock: with more than one torch thread each works on a share of the batch, or of the
channels where the batch is smaller.
"""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gesturebench.common.nn.selective_scan.operands import Operands
from gesturebench.common.threads import spread
from gesturebench.common.user_cache import cache_folder

LANES = STEPS = 16
"""As the kernels have them."""
WORTH_SHARING = 1 << 20
"""State updates (B D L N) below which a second thread costs more than it saves."""


def scan(o: Operands) -> tuple[Tensor, Tensor]:
    """y (B, D, L) and the last state (B, D, N)."""
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in o.tensors):
        return _FusedScan.apply(o.softplus, *o.tensors)
    y, h, _ = forward(o, keep=False)
    return y, h


class _FusedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, softplus: bool, *tensors: Tensor | None) -> tuple[Tensor, Tensor]:
        o = Operands(*tensors, softplus=softplus)
        y, h, kept = forward(o, keep=True)
        ctx.softplus = softplus
        ctx.save_for_backward(*tensors, kept)
        return y, h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_h: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, kept = ctx.saved_tensors
        grads = backward(Operands(*tensors, softplus=ctx.softplus), grad_y, grad_h, kept)
        return None, *(None if x is None else grad for x, grad in zip(tensors, grads))


def forward(o: Operands, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y, the last state, and (B, blocks, chunks, 16 N) the states before the chunks if they are to be kept."""
    arguments, groups = _arguments(o), _groups(o)
    h = torch.zeros(o.state_shape, dtype=o.u.dtype) if o.initial_state is None else o.initial_state.clone()
    y, size = torch.empty_like(o.u), LANES * o.A.shape[1]
    blocks = groups * math.ceil(o.u.shape[1] / groups / LANES)
    kept = h.new_empty((len(h), blocks, math.ceil(o.u.shape[2] / STEPS), size) if keep else (0, 0, 0, 0))

    def work(share: Share) -> None:
        out = (share.of_both(h), share.of_both(y), share.of_blocks(kept), h.new_empty(11 * LANES**2 + 2 * size))
        options = (o.z is not None, o.softplus, groups)
        _compiled("forward", o.u.dtype)(*_arrays(share.of(arguments)), *options, *_arrays(out))

    spread([partial(work, share) for share in _shares(o, groups)])
    return y, h, kept


def backward(o: Operands, grad_y: Tensor, grad_h: Tensor, kept: Tensor) -> tuple[Tensor, ...]:
    """Gradients of all operands, in their order."""
    arguments, groups, grad_h = _arguments(o), _groups(o), grad_h.clone()
    grads, size = [torch.zeros_like(x) for x in arguments], LANES * o.A.shape[1]
    blocks = math.ceil(o.u.shape[1] / groups / LANES)

    def work(share: Share) -> list[Tensor]:
        own = [x if x.dim() == 3 else torch.zeros_like(x) for x in share.of(grads)]
        room, carry = grad_y.new_empty(11 * LANES**2 + (4 * STEPS + 3) * size), grad_y.new_empty(blocks, 2 * size + 32)
        rest = (share.of_both(grad_h), share.of_both(grad_y), share.of_blocks(kept), room, carry)
        options = (o.z is not None, o.softplus, groups)
        _compiled("backward", o.u.dtype)(*_arrays(share.of(arguments)), *options, *_arrays(own), *_arrays(rest))
        return own

    shares = _shares(o, groups)
    for share, own in zip(shares, spread([partial(work, share) for share in shares])):
        for whole, part in zip(share.of(grads), own):
            if whole.dim() != 3:  # shared between channels or rows; the others were written in their place
                whole += part
    u, delta, A, B, C, D, z, bias = grads
    return u, delta, A, B.mT, C.mT, D[:, 0], z, bias[:, 0], grad_h


@dataclass(frozen=True)
class Share:
    """Rows of the batch, channels, and their blocks, that one thread works on."""

    rows: slice
    channels: slice
    blocks: slice

    def of(self, arguments: list[Tensor]) -> list[Tensor]:
        """Views of `_arguments`."""
        if self is WHOLE:
            return arguments
        u, delta, A, B, C, D, z, bias = arguments
        B, C = (x if len(x) == 1 else x[self.rows] for x in (B, C))
        A, D, bias = (x[self.channels] for x in (A, D, bias))
        return [self.of_both(u), self.of_both(delta), A, B, C, D, self.of_both(z), bias]

    def of_both(self, x_BD: Tensor) -> Tensor:
        return x_BD if self is WHOLE else x_BD[self.rows, self.channels]

    def of_blocks(self, kept: Tensor) -> Tensor:
        return kept if self is WHOLE else kept[self.rows, self.blocks]


WHOLE = Share(slice(None), slice(None), slice(None))


def _shares(o: Operands, groups: int) -> list[Share]:
    """One for each thread; channels are only divided where all share B and C, between blocks."""
    (batch, dim, _), threads = o.u.shape, torch.get_num_threads()
    if threads == 1 or o.u.numel() * o.A.shape[1] < WORTH_SHARING:
        return [WHOLE]
    if batch >= threads or groups > 1:
        return [replace(WHOLE, rows=rows) for rows in _parts(batch, threads)]
    blocks = _parts(math.ceil(dim / LANES), threads)
    return [replace(WHOLE, channels=slice(part.start * LANES, part.stop * LANES), blocks=part) for part in blocks]


def _parts(count: int, parts: int) -> list[slice]:
    """0 ... count in at most so many slices of nearly equal length.

    >>> _parts(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    parts = min(parts, count)
    edges = [count * k // parts for k in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _groups(o: Operands) -> int:
    """Groups of channels that share both B and C."""
    return math.lcm(o.B.shape[1], o.C.shape[1])


def _arguments(o: Operands) -> list[Tensor]:
    """u, delta, A, B, C, D, z, bias as `numba_kernels.Scan` has them; what is absent is zero, or anything for z."""
    B, C = (x.mT.contiguous() for x in (o.B, o.C))
    absent = torch.zeros(len(o.A), dtype=o.u.dtype) if o.D is None or o.delta_bias is None else None
    D, bias = ((absent if x is None else x).reshape(-1, 1) for x in (o.D, o.delta_bias))
    return [o.u, o.delta, o.A.contiguous(), B, C, D, o.u if o.z is None else o.z, bias]


def _arrays(tensors: Iterable[Tensor]) -> list[Any]:
    return [(tensor.detach() if tensor.requires_grad else tensor).numpy() for tensor in tensors]


@cache
def _compiled(name: str, dtype: torch.dtype) -> Callable[..., None]:
    """A kernel for one dtype and any strides, from the cache if this source was compiled for this machine before."""
    import numba
    from numba import types

    from gesturebench.common.nn.selective_scan import numba_kernels

    number = types.float64 if dtype == torch.float64 else types.float32
    vector, matrix, several = number[::1], number[:, ::1], number[:, :, :, ::1]
    any3, any4 = number[:, :, :], number[:, :, :, :]
    arguments = (any3, any3, matrix, several, several, matrix, any3, matrix)
    options = (types.boolean, types.boolean, types.intp)
    out = {"forward": (any3, any3, any4, vector), "backward": (*arguments, any3, any3, any4, vector, matrix)}
    signature = types.void(*arguments, *options, *out[name])
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(_compiled_folder())
    try:
        function = getattr(numba_kernels, name).py_func
        return numba.njit(signature, nogil=True, error_model="numpy", cache=True)(function)
    finally:
        numba.config.CACHE_DIR = before


def _compiled_folder() -> Path:
    """A folder for each state of the sources: numba itself notices changes of one file only."""
    sources = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in ("lanes", "numba_kernels"))
    return cache_folder() / "numba" / hashlib.sha256(b"".join(sources)).hexdigest()[:16]
