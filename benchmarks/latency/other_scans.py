"""Selective scans to compare with, restated: the loop published with Mamba, and a parallel scan (Blelloch 1990).

Both take u, delta (B, D, L), A (D, N), B, C (B, N, L), D (D,), z (B, D, L), delta_bias (D,), with softplus.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def sequential(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, bias: Tensor) -> Tensor:
    """Decays and inputs of all steps as (B, D, L, N), then one step after another."""
    delta = F.softplus(delta + bias[:, None])
    decay, x = torch.exp(delta[..., None] * A[:, None]), (delta * u)[..., None] * B.mT[:, None]
    h, y = torch.zeros_like(x[:, :, 0]), []
    for t in range(u.shape[-1]):
        h = decay[:, :, t] * h + x[:, :, t]
        y.append(torch.einsum("bdn,bn->bd", h, C[:, :, t]))
    return (torch.stack(y, 2) + u * D[:, None]) * F.silu(z)


def parallel(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, bias: Tensor) -> Tensor:
    """The same as (B, L, D, N), all prefixes in 2 log2(L) sweeps over it."""
    u, delta, z = u.mT, F.softplus(delta + bias[:, None]).mT, z.mT
    decay, x = torch.exp(delta[..., None] * A), (delta * u)[..., None] * B.mT[:, :, None]
    y = (_Prefixes.apply(decay, x) @ C.mT[..., None]).squeeze(-1)
    return ((y + u * D) * F.silu(z)).mT


class _Prefixes(torch.autograd.Function):
    """h_t = a_t h_(t-1) + x_t for all t along dimension 1; the gradient of x is the same from the end, with a_(t+1)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, x: Tensor) -> Tensor:
        h = _blelloch(_padded(a), _padded(x))[:, : a.shape[1]]
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        following = F.pad(a[:, 1:], (0, 0, 0, 0, 0, 1))
        grad_x = _blelloch(_padded(following.flip(1)), _padded(grad.flip(1)))[:, : a.shape[1]].flip(1)
        return grad_x * F.pad(h[:, :-1], (0, 0, 0, 0, 1, 0)), grad_x


def _padded(x: Tensor) -> Tensor:
    """A copy, zeros behind it up to a power of two."""
    length = x.shape[1]
    return F.pad(x, (0, 0, 0, 0, 0, (1 << (length - 1).bit_length()) - length))


def _blelloch(a: Tensor, x: Tensor) -> Tensor:
    """Inclusive prefixes of the pairs (a, x), in place; the length is a power of two.

    Up: at distance 1, 2, 4 ... the end of every second block takes up the end of the block before. Down, at half the
    distance each time: the blocks between those that are complete take up the one before.
    """
    length, step = x.shape[1], 1
    while step < length:
        left, right = slice(step - 1, length, 2 * step), slice(2 * step - 1, length, 2 * step)
        x[:, right].addcmul_(a[:, right], x[:, left])
        a[:, right] *= a[:, left]
        step *= 2
    while step > 1:
        step //= 2
        left, right = slice(2 * step - 1, length - step, 2 * step), slice(3 * step - 1, length, 2 * step)
        x[:, right].addcmul_(a[:, right], x[:, left])
    return x
