"""Back end `torch`: the recurrence in chunks, with tensor operations on any device.

What does not depend on the state (decays a = exp(delta A), inputs x B with x = delta u) and the read-out <C, h> are
formed for a whole chunk at once; between them stands one `addcmul` per step. The backward pass has kept the state
before every chunk and computes the rest again, from the last chunk to the first: memory is O(B D L), not O(B D L N).

With g = dL/dy and l_t = dL/dh_t:    l_t = g_t C_t + a_(t+1) l_(t+1),    dL/d(x_t B_t) = l_t,
dL/d(delta_t A) = l_t a_t h_(t-1).

Legend, beside that of the package: K steps of a chunk. Inside, time comes first, as steps are taken one by one, and
channels last, as long rows are fast: (K, B, N, D).
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial, wraps
from threading import get_ident
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gesturebench.common.nn.selective_scan.operands import Operands
from gesturebench.common.nn.selective_scan.reference import finished, first_state, step_sizes

CHUNK = 64
"""Steps of a chunk at most."""
CHUNK_NUMBERS = 1 << 19
"""Fewer steps where the numbers (K, B, N, D) of a chunk are more than that: they should stay in a core's cache."""


def scan(o: Operands, chunk: int | None = None) -> tuple[Tensor, Tensor]:
    """y (B, D, L) and the last state (B, D, N); tests set the steps of a chunk."""
    size = chunk or max(8, min(CHUNK, CHUNK_NUMBERS // (o.u.shape[0] * o.A.numel())))
    delta = step_sizes(o)
    delta, x, B, C = (_time_first(x) for x in (delta, delta * o.u, o.B, o.C))
    y_LBD, h = _Recurrence.apply(size, delta, x, o.A.T.contiguous(), B, C, first_state(o).mT)
    return finished(y_LBD.permute(1, 2, 0), o), h.mT


def _time_first(x: Tensor) -> Tensor:
    """(B, D, L) -> (L, B, D);  (B, G, N, L) -> (L, B, N, G)."""
    return x.permute(2, 0, 1).contiguous() if x.dim() == 3 else x.permute(3, 0, 2, 1).contiguous()


class Core(NamedTuple):
    """The recurrence alone: delta, x (L, B, D), A (N, D), B and C (L or 1, B or 1, N, G), h (B, N, D)."""

    delta: Tensor
    x: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    h: Tensor

    def part(self, steps: slice, h: Tensor) -> "Core":
        """Those steps, beginning with the state h."""
        B, C = (m if len(m) == 1 else m[steps] for m in (self.B, self.C))
        return Core(self.delta[steps], self.x[steps], self.A, B, C, h)

    def rooms(self, size: int, count: int) -> list["Room"]:
        """Memory for chunks, used by all of them in turn."""
        batch, states, dim = self.h.shape
        shape = (min(size, len(self.delta)) + 1, batch, states, dim)
        small = self.h.device.type == "cpu" and math.prod(shape) <= 2 * CHUNK_NUMBERS
        make = partial(_lasting_room, get_ident()) if small else _room
        return [make(index, shape, self.h.dtype, self.h.device) for index in range(count)]

    def decays(self, room: "Room") -> Tensor:
        """a_1 ... a_K: (K, B, N, D)."""
        return torch.mul(self.delta[:, :, None], self.A, out=room.all[: len(self.delta)]).exp_()

    def states(self, a: "Room", room: "Room") -> Tensor:
        """h_0 ... h_K: (K + 1, B, N, D), by the decays in the room a."""
        h = room.all[: len(self.delta) + 1]
        h[0] = self.h
        torch.mul(_grouped(self.x[:, :, None], self.B), self.B[..., None], out=_grouped(h[1:], self.B))
        for before, now, a_t in zip(room.steps, room.steps[1 : len(h)], a.steps):
            now.addcmul_(a_t, before)
        return h

    def adjoints(self, a: "Room", grad_y: Tensor, after: Tensor, room: "Room") -> Tensor:
        """l_1 ... l_K: (K, B, N, D); `after` is a_(K+1) l_(K+1)."""
        adjoint = room.all[: len(self.delta)]
        torch.mul(_grouped(grad_y[:, :, None], self.C), self.C[..., None], out=_grouped(adjoint, self.C))
        room.steps[len(adjoint) - 1].add_(after)
        for t in range(len(adjoint) - 2, -1, -1):
            room.steps[t].addcmul_(a.steps[t + 1], room.steps[t + 1])
        return adjoint


class Room(NamedTuple):
    """Memory of a chunk, whole and step by step: to make a view of each step anew would cost as much as the step."""

    all: Tensor
    steps: tuple[Tensor, ...]


def _room(index: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Room:
    memory = torch.empty(shape, dtype=dtype, device=device)
    return Room(memory, memory.unbind(0))


@lru_cache(maxsize=8)
def _lasting_room(thread: int, *arguments: Any) -> Room:
    """A room that its thread finds again at the next call: to get fresh pages from the system costs more than to fill
    them."""
    return _room(*arguments)


def _grouped(x_KBND: Tensor, m: Tensor) -> Tensor:
    """(..., D) -> (..., G, D / G) with the groups of m (..., G)."""
    return x_KBND.unflatten(-1, (m.shape[-1], -1))


def _over_states(x_KBND: Tensor, m: Tensor) -> Tensor:
    """sum over n of m_n x_n: (K, B, D)."""
    if m.shape[-1] == 1:
        return (m.mT @ x_KBND).squeeze(2)
    return (_grouped(x_KBND, m) * m[..., None]).sum(2).flatten(-2)


def _over_channels(x_KBND: Tensor, w_KBD: Tensor, like: Tensor) -> Tensor:
    """sum over the channels of a group of w x, and over time and batch where `like` is constant: its shape."""
    if like.shape[-1] == 1:
        total = x_KBND @ w_KBD[..., None]
    else:
        total = (_grouped(x_KBND, like) * _grouped(w_KBD[:, :, None], like)).sum(-1)
    return total.sum_to_size(len(total) if len(like) > 1 else 1, *like.shape[1:])


def _plain_precision(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without autocast, which would make sums over states and channels bfloat16."""

    @wraps(function)
    def run(ctx: Any, *arguments: Any) -> Any:
        with torch.autocast(next(x.device.type for x in arguments if isinstance(x, Tensor)), enabled=False):
            return function(ctx, *arguments)

    return run


class _Recurrence(torch.autograd.Function):
    """(delta, x, A, B, C, h_0) -> (y (L, B, D), h_L), in the shapes of `Core`."""

    @staticmethod
    @_plain_precision
    def forward(ctx: Any, size: int, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        core, h, y, carried = Core(*arguments), arguments[-1], [], []
        keep, (room_a, room_h) = any(ctx.needs_input_grad), core.rooms(size, 2)
        for start in range(0, len(core.delta), size):
            part = core.part(slice(start, start + size), h)
            part.decays(room_a)
            states = part.states(room_a, room_h)
            y.append(_over_states(states[1:], part.C))
            h = states[-1].clone()
            if keep:
                carried.append(h)
        ctx.size = size
        ctx.save_for_backward(*arguments, *carried[:-1])
        return torch.cat(y), h

    @staticmethod
    @once_differentiable
    @_plain_precision
    def backward(ctx: Any, grad_y: Tensor, grad_h: Tensor) -> tuple[Tensor | None, ...]:
        arguments, carried = ctx.saved_tensors[:6], ctx.saved_tensors[5:]
        core = Core(*arguments)
        grad, rooms = Core(*(torch.zeros_like(x) for x in core[:5]), grad_h), core.rooms(ctx.size, 3)
        for index in range(len(carried) - 1, -1, -1):
            steps = slice(index * ctx.size, (index + 1) * ctx.size)
            grad = _backward(core.part(steps, carried[index]), grad_y[steps], grad, steps, rooms)
        return None, *grad


def _backward(part: Core, grad_y: Tensor, grad: Core, steps: slice, rooms: list[Room]) -> Core:
    """Add the gradients of one chunk to `grad`, whose h is that of the state after the chunk, then before it."""
    room_a, room_h, room_adjoint = rooms
    a = part.decays(room_a)
    h = part.states(room_a, room_h)
    adjoint = part.adjoints(room_a, grad_y, grad.h, room_adjoint)
    into = grad.part(steps, grad.h)
    into.x.copy_(_over_states(adjoint, part.B))
    into.B.add_(_over_channels(adjoint, part.x, part.B))
    into.C.add_(_over_channels(h[1:], grad_y, part.C))
    before = a[0] * adjoint[0]
    exponent = a.mul_(adjoint).mul_(h[:-1])  # dL/d(delta A)
    into.delta.copy_(torch.mul(exponent, part.A, out=adjoint).sum(2))
    into.A.add_(exponent.mul_(part.delta[:, :, None]).sum((0, 1)))
    return grad._replace(h=before)
