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
from collections.abc import Callable, Sequence
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
CHUNK_NUMBERS = 1 << 17
"""Fewer steps where the numbers (K, B, N, D) of a chunk are more than that: they should stay in a core's cache."""
LASTING_NUMBERS = 1 << 20


def scan(o: Operands, chunk: int | None = None) -> tuple[Tensor, Tensor]:
    """y (B, D, L) and the last state (B, D, N); tests set the steps of a chunk."""
    delta = step_sizes(o)
    delta, x = _time_first(delta), _time_first(delta * o.u)
    B, C = (x.permute(3, 0, 2, 1).contiguous() for x in (o.B, o.C))
    arguments = chunk or _steps(o), delta, x, o.A.T.contiguous(), B, C, first_state(o).mT
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in o.tensors):
        y_LB1D, h = _Recurrence.apply(*arguments)
    else:
        y_LB1D, h, _ = _forward(*arguments, keep=False)
    return finished(_channels_first(y_LB1D), o), h.mT


def _steps(o: Operands) -> int:
    """Of a chunk; at least as many as there are states, so that those that are kept are no more than the input."""
    return max(o.A.shape[1], min(CHUNK, CHUNK_NUMBERS // (o.u.shape[0] * o.A.numel())))


def _time_first(x_BDL: Tensor) -> Tensor:
    """(B, D, L) -> (L, B, 1, D), row by row: a matrix is transposed block by block, which takes a fraction of the
    time of three dimensions."""
    rows = [row.t().contiguous() for row in x_BDL.unbind(0)]
    return (rows[0][:, None] if len(rows) == 1 else torch.stack(rows, 1))[:, :, None]


def _channels_first(x_LB1D: Tensor) -> Tensor:
    """(L, B, 1, D) -> (B, D, L)."""
    rows = [row.contiguous().t().contiguous() for row in x_LB1D[:, :, 0].unbind(1)]
    return rows[0][None] if len(rows) == 1 else torch.stack(rows)


class Core(NamedTuple):
    """The recurrence alone: delta, x (L, B, 1, D), A (N, D), B and C (L or 1, B or 1, N, G), h (B, N, D)."""

    delta: Tensor
    x: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    h: Tensor

    def parts(self, size: int) -> list["Core"]:
        """So many steps each, all with the same h."""
        count = math.ceil(len(self.delta) / size)
        B, C = (m.split(size) if len(m) > 1 else (m,) * count for m in (self.B, self.C))
        cut = zip(self.delta.split(size), self.x.split(size), B, C, strict=True)
        return [Core(delta, x, self.A, b, c, self.h) for delta, x, b, c in cut]

    def rooms(self, size: int, count: int) -> list["Room"]:
        """Memory for chunks, used by all of them in turn."""
        batch, states, dim = self.h.shape
        shape = (min(size, len(self.delta)) + 1, batch, states, dim)
        small = self.h.device.type == "cpu" and math.prod(shape) <= LASTING_NUMBERS
        make = partial(_lasting_room, get_ident()) if small else _room
        return [make(index, shape, self.h.dtype, self.h.device) for index in range(count)]

    def decays(self, room: "Room") -> Tensor:
        """a_1 ... a_K: (K, B, N, D)."""
        return torch.mul(self.delta, self.A, out=room.all[: len(self.delta)]).exp_()

    def states(self, a: "Room", room: "Room") -> Tensor:
        """h_1 ... h_K: (K, B, N, D), by the decays in the room a; h_0 is the first step of `room`."""
        steps, count = room.steps, len(self.delta)
        h = room.all[1 : count + 1]
        _spread(self.x, self.B, out=h)
        for before, now, a_t in zip(steps, steps[1 : count + 1], a.steps):
            now.addcmul_(a_t, before)
        return h

    def adjoints(self, a: "Room", grad_y: Tensor, after: Tensor, room: "Room") -> Tensor:
        """l_1 ... l_K: (K, B, N, D); `after` is a_(K+1) l_(K+1)."""
        adjoint = room.all[: len(self.delta)]
        _spread(grad_y, self.C, out=adjoint)
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


def _spread(x_KB1D: Tensor, m: Tensor, out: Tensor) -> None:
    """x m_n for every n: (K, B, N, D)."""
    if m.shape[-1] == 1:
        torch.mul(x_KB1D, m, out=out)
    else:
        torch.mul(_grouped(x_KB1D, m), m[..., None], out=_grouped(out, m))


def _over_states(x_KBND: Tensor, m: Tensor, out: Tensor) -> None:
    """sum over n of m_n x_n: (K, B, 1, D)."""
    if m.shape[:2] == x_KBND.shape[:2] and m.shape[-1] == 1:
        torch.bmm(m.flatten(0, 1).mT, x_KBND.flatten(0, 1), out=out.flatten(0, 1))
    else:
        out.copy_((_grouped(x_KBND, m) * m[..., None]).sum(2, keepdim=True).flatten(-2))


def _over_channels(x_KBND: Tensor, w_KB1D: Tensor, like: Tensor) -> Tensor:
    """sum over the channels of a group of w x, and over time and batch where `like` is constant: its shape."""
    if like.shape[-1] == 1:  # w @ x.mT takes a twelfth of the time of x @ w.mT
        total = (w_KB1D @ x_KBND.mT).mT
    else:
        total = (_grouped(x_KBND, like) * _grouped(w_KB1D, like)).sum(-1)
    return total.sum_to_size(len(total) if len(like) > 1 else 1, *like.shape[1:])


def _plain_precision(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without autocast, which would make sums over states and channels bfloat16."""

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        device = next(x.device.type for x in arguments if isinstance(x, Tensor))
        if not torch.is_autocast_enabled(device):
            return function(*arguments, **options)
        with torch.autocast(device, enabled=False):
            return function(*arguments, **options)

    return run


class _Recurrence(torch.autograd.Function):
    """(delta, x, A, B, C, h_0) -> (y (L, B, 1, D), h_L), in the shapes of `Core`."""

    @staticmethod
    def forward(ctx: Any, size: int, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        y, h, carried = _forward(size, *arguments, keep=any(ctx.needs_input_grad))
        ctx.size = size
        ctx.save_for_backward(*arguments[:5], *carried)
        return y, h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_h: Tensor) -> tuple[Tensor | None, ...]:
        arguments, carried = ctx.saved_tensors[:5], ctx.saved_tensors[5:]
        return None, *_backward(ctx.size, Core(*arguments, carried[0]), carried, grad_y, grad_h)


@_plain_precision
def _forward(size: int, *arguments: Tensor, keep: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """y (L, B, 1, D), the last state, and the states before the chunks if they are to be kept."""
    core, carried = Core(*arguments), []
    y, (room_a, room_h) = torch.empty_like(core.x), core.rooms(size, 2)
    first, last = room_h.steps[0], core.h
    for part, y_part in zip(core.parts(size), y.split(size), strict=True):
        first.copy_(last)
        if keep:
            carried.append(last.clone())
        part.decays(room_a)
        _over_states(part.states(room_a, room_h), part.C, out=y_part)
        last = room_h.steps[len(y_part)]
    return y, last.clone(), carried


@_plain_precision
def _backward(size: int, core: Core, carried: Sequence[Tensor], grad_y: Tensor, grad_h: Tensor) -> list[Tensor]:
    """Gradients of what `core` holds, by the states before the chunks, from the last chunk to the first."""
    written, summed = (torch.empty_like(x) for x in core[:2]), (torch.zeros_like(x) for x in core[2:5])
    grad, rooms = Core(*written, *summed, grad_h), core.rooms(size, 3)
    chunks = zip(core.parts(size), carried, grad_y.split(size), grad.parts(size), strict=True)
    for part, h, grad_part, into in reversed(list(chunks)):
        grad_h = _chunk_backward(part, h, grad_part, into, grad_h, rooms)
    return [*grad[:5], grad_h]


def _chunk_backward(part: Core, h: Tensor, grad_y: Tensor, into: Core, after: Tensor, rooms: Sequence[Room]) -> Tensor:
    """Add the gradients of one chunk to `into`. `after` is a_(K+1) l_(K+1); returns a_1 l_1, the gradient of h."""
    room_a, room_h, room_adjoint = rooms
    a = part.decays(room_a)
    room_h.steps[0].copy_(h)
    states = part.states(room_a, room_h)
    adjoint = part.adjoints(room_a, grad_y, after, room_adjoint)
    _over_states(adjoint, part.B, out=into.x)
    into.B.add_(_over_channels(adjoint, part.x, part.B))
    into.C.add_(_over_channels(states, grad_y, part.C))
    before = a[0] * adjoint[0]
    exponent = a.mul_(adjoint).mul_(room_h.all[: len(a)])  # dL/d(delta A)
    torch.sum(torch.mul(exponent, part.A, out=adjoint), 2, keepdim=True, out=into.delta)
    into.A.add_(exponent.mul_(part.delta).sum((0, 1)))
    return before
