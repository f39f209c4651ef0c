"""Back end `triton`: the recurrence as two CUDA kernels of our own, one program for a row and a block of channels.

A program holds the states of its channels in registers and goes through the steps. As in `chunked.py` the backward
kernel starts each chunk from the state kept there, computes the states within again, into scratch memory of one chunk,
and walks back. Sums over channels (B, C) are kept per program and added by torch, so that results do not depend on
the order in which programs run. Step sizes, D and z are torch's, as in the other back ends that are not fused.
"""

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from gesturebench.common.nn.selective_scan.operands import Operands
from gesturebench.common.nn.selective_scan.reference import finished, first_state, step_sizes

CHUNK = 32
NUMBERS = 512
"""States of a program, (block of channels) x (N rounded up to a power of two)."""


def scan(o: Operands) -> tuple[Tensor, Tensor]:
    """y (B, D, L) and the last state (B, D, N)."""
    delta = step_sizes(o)
    y, h = _Recurrence.apply(delta, delta * o.u, o.A, o.B, o.C, first_state(o))
    return finished(y, o), h


class _Recurrence(torch.autograd.Function):
    """(delta, x (B, D, L), A (D, N), B, C (B or 1, G, N, L or 1), h (B, D, N)) -> (y (B, D, L), h)."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        delta, x, A, B, C, h = arguments = _laid_out(*arguments)
        keep, y, last = any(ctx.needs_input_grad), torch.empty_like(x), torch.empty_like(h)
        kept = h.new_empty((len(h), triton.cdiv(x.shape[1], CHUNK), *h.shape[1:]) if keep else (1, 1, 1, 1))
        sizes = _sizes(x, A, B, C)
        _forward[sizes.pop("grid")](delta, x, A, B, C, h, y, last, kept, KEEP=keep, **sizes)
        ctx.save_for_backward(*arguments, kept)
        return y.mT, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_h: Tensor) -> tuple[Tensor, ...]:
        delta, x, A, B, C, h, kept = ctx.saved_tensors
        grad_delta, grad_x, grad_first = torch.empty_like(x), torch.empty_like(x), torch.empty_like(h)
        sizes = _sizes(x, A, B, C)
        grid = sizes.pop("grid")
        sums_A, scratch = torch.empty_like(h), h.new_empty(len(h), CHUNK, *h.shape[1:])
        sums_B, sums_C = h.new_empty(2, len(h), x.shape[1], grid[0], A.shape[1]).unbind(0)
        outputs = (grad_delta, grad_x, sums_A, sums_B, sums_C, grad_first, scratch)
        _backward[grid](delta, x, A, B, C, kept, grad_y.mT.contiguous(), grad_h.contiguous(), *outputs, **sizes)
        grad_B, grad_C = (_of_groups(sums, like) for sums, like in ((sums_B, B), (sums_C, C)))
        return grad_delta.mT, grad_x.mT, sums_A.sum(0), grad_B, grad_C, grad_first


def _laid_out(delta: Tensor, x: Tensor, A: Tensor, B: Tensor, C: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    """Channels last: (B, L, D), and B, C (B or 1, L or 1, G, N)."""
    delta, x, A, h = delta.mT.contiguous(), x.mT.contiguous(), A.contiguous(), h.contiguous()
    return delta, x, A, *(m.permute(0, 3, 1, 2).contiguous() for m in (B, C)), h


def _of_groups(sums_BLPN: Tensor, like: Tensor) -> Tensor:
    """Sums of the programs as the gradient of B or C (B or 1, G, N, L or 1): blocks of a group follow one another."""
    whole = sums_BLPN.unflatten(2, (like.shape[2], -1)).sum(3)
    return whole.sum_to_size(like.shape).permute(0, 2, 3, 1)


def _sizes(x: Tensor, A: Tensor, B: Tensor, C: Tensor) -> dict[str, Any]:
    """Arguments of both kernels, and the grid: blocks of channels that share B and C, rows."""
    (batch, length, dim), states = x.shape, A.shape[1]
    groups, padded = math.lcm(B.shape[2], C.shape[2]), triton.next_power_of_2(states)
    block = min(max(NUMBERS // padded, 1), triton.next_power_of_2(dim // groups))
    strides = {}
    for name, m in (("B", B), ("C", C)):
        strides[f"{name}_row"] = m.stride(0) if len(m) > 1 else 0
        strides[f"{name}_step"] = m.stride(1) if m.shape[1] > 1 else 0
        strides[f"{name}_groups"] = m.shape[2]
    per_group = triton.cdiv(dim // groups, block)
    sizes = {"length": length, "dim": dim, "states": states, "groups": groups, "per_group": per_group, **strides}
    return {"grid": (groups * per_group, batch), **sizes, "CHUNK": CHUNK, "BLOCK": block, "STATES": padded}


@triton.jit
def _place(dim, groups, per_group, B_groups, C_groups, BLOCK: tl.constexpr):
    """Channels of this program, which of them exist, and its groups of B and C."""
    program = tl.program_id(0)
    group, width = program // per_group, dim // groups
    within = (program % per_group) * BLOCK + tl.arange(0, BLOCK)
    return group * width + within, within < width, group * B_groups // groups, group * C_groups // groups


@triton.jit
def _forward(
    delta, x, A, B, C, h_0, y, last, kept,
    length, dim, states, groups, per_group, B_row, B_step, B_groups, C_row, C_step, C_groups,
    KEEP: tl.constexpr, CHUNK: tl.constexpr, BLOCK: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """`kept` (B, chunks, D, N) takes the states before the chunks where KEEP."""
    d, exists, B_group, C_group = _place(dim, groups, per_group, B_groups, C_groups, BLOCK)
    row, n = tl.program_id(1).to(tl.int64), tl.arange(0, STATES)
    square, inside = d[:, None] * states + n[None, :], exists[:, None] & (n < states)[None, :]
    rate = tl.load(A + square, mask=inside, other=0.0)
    h = tl.load(h_0 + row * dim * states + square, mask=inside, other=0.0)
    B += row * B_row + B_group * states + n
    C += row * C_row + C_group * states + n
    for t in range(length):
        if KEEP and t % CHUNK == 0:
            chunk = row * tl.cdiv(length, CHUNK) + t // CHUNK
            tl.store(kept + chunk * dim * states + square, h, mask=inside)
        step = (row * length + t) * dim + d
        delta_t, x_t = tl.load(delta + step, mask=exists, other=0.0), tl.load(x + step, mask=exists, other=0.0)
        B_t = tl.load(B + t * B_step, mask=n < states, other=0.0)
        C_t = tl.load(C + t * C_step, mask=n < states, other=0.0)
        h = tl.exp(delta_t[:, None] * rate) * h + x_t[:, None] * B_t[None, :]
        tl.store(y + step, tl.sum(h * C_t[None, :], 1), mask=exists)
    tl.store(last + row * dim * states + square, h, mask=inside)


@triton.jit
def _backward(
    delta, x, A, B, C, kept, grad_y, grad_last, grad_delta, grad_x, sums_A, sums_B, sums_C, grad_first, scratch,
    length, dim, states, groups, per_group, B_row, B_step, B_groups, C_row, C_step, C_groups,
    CHUNK: tl.constexpr, BLOCK: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """`sums_A` (B, D, N), `sums_B` and `sums_C` (B, L, programs, N); `scratch` (B, CHUNK, D, N)."""
    d, exists, B_group, C_group = _place(dim, groups, per_group, B_groups, C_groups, BLOCK)
    row, n = tl.program_id(1).to(tl.int64), tl.arange(0, STATES)
    square, inside = d[:, None] * states + n[None, :], exists[:, None] & (n < states)[None, :]
    rate = tl.load(A + square, mask=inside, other=0.0)
    decayed = tl.load(grad_last + row * dim * states + square, mask=inside, other=0.0)
    sum_A = tl.zeros_like(rate)
    B += row * B_row + B_group * states + n
    C += row * C_row + C_group * states + n
    scratch += row * CHUNK * dim * states + square
    chunks = tl.cdiv(length, CHUNK)
    for back in range(chunks):
        chunk = chunks - 1 - back
        start, steps = chunk * CHUNK, tl.minimum(CHUNK, length - chunk * CHUNK)
        h = tl.load(kept + (row * chunks + chunk) * dim * states + square, mask=inside, other=0.0)
        for k in range(steps):
            tl.store(scratch + k * dim * states, h, mask=inside)
            step = (row * length + start + k) * dim + d
            delta_t, x_t = tl.load(delta + step, mask=exists, other=0.0), tl.load(x + step, mask=exists, other=0.0)
            B_t = tl.load(B + (start + k) * B_step, mask=n < states, other=0.0)
            h = tl.exp(delta_t[:, None] * rate) * h + x_t[:, None] * B_t[None, :]
        tl.debug_barrier()  # the scratch memory is written before any thread reads it
        for j in range(steps):
            t = start + steps - 1 - j
            step = (row * length + t) * dim + d
            delta_t, x_t = tl.load(delta + step, mask=exists, other=0.0), tl.load(x + step, mask=exists, other=0.0)
            grad_t = tl.load(grad_y + step, mask=exists, other=0.0)
            B_t = tl.load(B + t * B_step, mask=n < states, other=0.0)
            C_t = tl.load(C + t * C_step, mask=n < states, other=0.0)
            before = tl.load(scratch + (steps - 1 - j) * dim * states, mask=inside, other=0.0)
            adjoint = decayed + grad_t[:, None] * C_t[None, :]
            place = ((row * length + t) * tl.num_programs(0) + tl.program_id(0)) * states + n
            tl.store(sums_B + place, tl.sum(adjoint * x_t[:, None], 0), mask=n < states)
            tl.store(sums_C + place, tl.sum(h * grad_t[:, None], 0), mask=n < states)
            decayed = adjoint * tl.exp(delta_t[:, None] * rate)
            exponent = decayed * before
            sum_A += exponent * delta_t[:, None]
            tl.store(grad_delta + step, tl.sum(exponent * rate, 1), mask=exists)
            tl.store(grad_x + step, tl.sum(adjoint * B_t[None, :], 1), mask=exists)
            h = before
        tl.debug_barrier()  # and read before the next chunk writes it
    tl.store(sums_A + row * dim * states + square, sum_A, mask=inside)
    tl.store(grad_first + row * dim * states + square, decayed, mask=inside)
