"""Back end `reference`: the recurrence, step by step, as the paper writes it."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gesturebench.common.nn.selective_scan.operands import Operands


def scan(o: Operands) -> tuple[Tensor, Tensor]:
    """y (B, D, L) and the last state (B, D, N); torch differentiates through the loop.

    Steps are taken apart by `unbind`, whose backward is one stack: an index per step would make a zero tensor of full
    size for each.
    """
    delta, h, y = step_sizes(o), first_state(o), []
    for delta_t, u_t, B_t, C_t in zip(_steps(delta), _steps(o.u), _per_channel(o.B, o), _per_channel(o.C, o)):
        h = torch.exp(delta_t * o.A) * h + delta_t * u_t * B_t
        y.append((C_t * h).sum(-1))
    return finished(torch.stack(y, -1), o), h


def step_sizes(o: Operands) -> Tensor:
    """delta + its bias, through softplus where wanted: (B, D, L)."""
    delta = o.delta if o.delta_bias is None else o.delta + o.delta_bias[:, None]
    return F.softplus(delta) if o.softplus else delta


def first_state(o: Operands) -> Tensor:
    return o.u.new_zeros(o.state_shape) if o.initial_state is None else o.initial_state


def finished(y_BDL: Tensor, o: Operands) -> Tensor:
    """(y + D u) SiLU(z)."""
    if o.D is not None:
        y_BDL = torch.addcmul(y_BDL, o.D[:, None], o.u)
    return y_BDL if o.z is None else y_BDL * F.silu(o.z)


def _steps(x_BDL: Tensor) -> tuple[Tensor, ...]:
    return x_BDL[:, :, None].unbind(-1)


def _per_channel(x_BGNL: Tensor, o: Operands) -> tuple[Tensor, ...]:
    """B_t or C_t for every channel: L tensors (B or 1, D, N)."""
    steps = x_BGNL.repeat_interleave(o.u.shape[1] // x_BGNL.shape[1], 1).unbind(-1)
    return steps * o.u.shape[-1] if len(steps) == 1 else steps
