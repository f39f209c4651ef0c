"""The one signature of the selective scan."""

from typing import Literal, overload

from torch import Tensor

from gesturebench.common.nn.selective_scan.backends import BACKENDS, choose
from gesturebench.common.nn.selective_scan.operands import Operands


@overload
def selective_scan(*args: Tensor | None, return_last_state: Literal[False] = False, **options) -> Tensor: ...
@overload
def selective_scan(*args: Tensor | None, return_last_state: Literal[True], **options) -> tuple[Tensor, Tensor]: ...
def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    backend: str = "auto",
    initial_state: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """h_t = exp(d_t A) h_(t-1) + d_t u_t B_t;  y_t = (<C_t, h_t> + D u_t) SiLU(z_t), per channel.

    d = delta + delta_bias, through softplus if `delta_softplus`. u, delta, z (B, D, L); A (D, N); B and C (B, N, L),
    (B, G, N, L) for groups of D / G channels, or constant (D, N); D, delta_bias (D,); initial_state (B, D, N), zero
    by default: the last state of the part before continues a sequence.

    Returns y (B, D, L) in the dtype of u, and if `return_last_state` h_L (B, D, N) in the dtype of the computation:
    float32, also for bfloat16 and under autocast, or float64 if an argument is. Every argument has a gradient.

    >>> one = torch.ones(1, 1, 3)
    >>> selective_scan(one, one, torch.zeros(1, 1), one, one)  # no decay: a running sum
    tensor([[[1., 2., 3.]]])
    """
    o = Operands.of(u, delta, A, B, C, D, z, delta_bias, initial_state, softplus=delta_softplus)
    y, last_state = BACKENDS[choose(backend, o)].load()(o)
    y = y.to(u.dtype)
    return (y, last_state) if return_last_state else y
