"""Kernels of the back end `numba`: 16 channels at a time, their states in the first-level cache, each step once.

Channels that share B and C (a group) are cut into blocks of 16 lanes, lengths into chunks of 16 steps. A tile holds a
block's numbers of a chunk, step by step: `tile[16 step + lane]`; missing lanes are zero. States are laid out the same
way, `h[16 n + lane]`. All scratch memory is one array, `room`, and names in capitals are places in it.

The forward pass keeps the state before each chunk where a gradient is wanted; the backward pass goes through the
chunks from the last, computes decays and states of one again, then walks back through it (formulas: `chunked.py`).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from gesturebench.common.nn.selective_scan.lanes import (
    LANES,
    LOG2E,
    add,
    exp2,
    fill,
    fma,
    load,
    mul,
    sigmoid,
    softplus,
    store,
    sub,
    total,
    transpose,
)

STEPS = LANES
TILE = STEPS * LANES
RAW, DELTA, U, Z, Y, GRAD, GRAD_U, GRAD_DELTA, GRAD_Z, PARAMETERS, STATES = (k * TILE for k in range(11))
"""Places of tiles; of D and bias; of what has N vectors or more (`places`)."""
LN2 = math.log(2.0)
kernel = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


class Scan(NamedTuple):
    """u, delta, z (B, D, L) with any strides; A (D, N); B, C (B or 1, groups or fewer, L or 1, N); D, bias (D, 1).

    `gated`: z counts. `positive`: softplus of the steps. `groups` share both B and C.
    """

    u: np.ndarray
    delta: np.ndarray
    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    D: np.ndarray
    z: np.ndarray
    bias: np.ndarray
    gated: bool
    positive: bool
    groups: int


class Gradients(NamedTuple):
    """As the arguments; those of A, B, C, D and bias are added to."""

    u: np.ndarray
    delta: np.ndarray
    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    D: np.ndarray
    z: np.ndarray
    bias: np.ndarray


@kernel
def clear(array, place, vectors):
    zero = fill(array.dtype.type(0))
    for k in range(vectors):
        store(array, place + k * LANES, zero)


@kernel
def copy(source, index, target, place, vectors):
    for k in range(vectors):
        store(target, place + k * LANES, load(source, index + k * LANES))


@kernel
def take(array, b, first, lanes, start, steps, room, place):
    """array[b, first : first + lanes, start : start + steps] as a tile of `room`."""
    of_channel, of_step = array.strides[1] // array.itemsize, array.strides[2] // array.itemsize
    origin = b * (array.strides[0] // array.itemsize) + first * of_channel + start * of_step
    if lanes == LANES and steps == STEPS and of_step == 1:
        transpose(array, origin, of_channel, room, place, LANES)
    elif lanes == LANES and of_channel == 1:
        for k in range(steps):
            store(room, place + k * LANES, load(array, origin + k * of_step))
    else:
        clear(room, place, STEPS)
        for lane in range(lanes):
            for k in range(steps):
                room[place + k * LANES + lane] = array[b, first + lane, start + k]


@kernel
def put(array, b, first, lanes, start, steps, room, place):
    """The inverse of `take`."""
    of_channel, of_step = array.strides[1] // array.itemsize, array.strides[2] // array.itemsize
    origin = b * (array.strides[0] // array.itemsize) + first * of_channel + start * of_step
    if lanes == LANES and steps == STEPS and of_step == 1:
        transpose(room, place, LANES, array, origin, of_channel)
    elif lanes == LANES and of_channel == 1:
        for k in range(steps):
            store(array, origin + k * of_step, load(room, place + k * LANES))
    else:
        for lane in range(lanes):
            for k in range(steps):
                array[b, first + lane, start + k] = room[place + k * LANES + lane]


@kernel
def take_rows(matrix, first, lanes, scale, room, place):
    """scale matrix[first + lane, n] as room[place + 16 n + lane]."""
    for n in range(matrix.shape[1]):
        for lane in range(LANES):
            room[place + n * LANES + lane] = matrix[first + lane, n] * scale if lane < lanes else 0 * scale


@kernel
def put_rows(matrix, first, lanes, room, place):
    """The inverse of `take_rows`."""
    for n in range(matrix.shape[1]):
        for lane in range(lanes):
            matrix[first + lane, n] = room[place + n * LANES + lane]


@kernel
def add_rows(matrix, first, lanes, room, place):
    """matrix[first + lane, n] += room[place + 16 n + lane]."""
    for n in range(matrix.shape[1]):
        for lane in range(lanes):
            matrix[first + lane, n] += room[place + n * LANES + lane]


@kernel
def of_group(matrix, b, group, groups):
    """B or C (B or 1, groups or fewer, L or 1, N) of one group: (L or 1, N)."""
    return matrix[b if matrix.shape[0] > 1 else 0, group * matrix.shape[1] // groups]


@kernel
def at(rows, t):
    return rows[t if rows.shape[0] > 1 else 0]


@kernel
def add_to(array, place, x, y):
    """array[place : place + 16] += x y."""
    store(array, place, fma(x, y, load(array, place)))


@kernel
def places(states):
    """A log2(e); h; decays of a chunk; its states and the one before; sums for B and C; and the end."""
    size = states * LANES
    decays = STATES + 2 * size
    sums = decays + (2 * STEPS + 1) * size
    return STATES, STATES + size, decays, decays + STEPS * size, sums, sums + STEPS * size, sums + 2 * STEPS * size


@kernel
def blocks_of(s):
    return (s.u.shape[1] // s.groups + LANES - 1) // LANES


@kernel
def block_of(s, group, i):
    """First channel and lanes of block i of a group."""
    width = s.u.shape[1] // s.groups
    return group * width + i * LANES, min(LANES, width - i * LANES)


@kernel
def take_block(s, first, lanes, room):
    """The parameters of a block."""
    one = s.A.dtype.type(1)
    take_rows(s.A, first, lanes, s.A.dtype.type(LOG2E), room, STATES)
    take_rows(s.D, first, lanes, one, room, PARAMETERS)
    take_rows(s.bias, first, lanes, one, room, PARAMETERS + LANES)


@kernel
def take_steps(s, b, first, lanes, start, steps, room):
    """Tiles RAW = delta + bias, DELTA = softplus of it where wanted, U and Z."""
    take(s.delta, b, first, lanes, start, steps, room, RAW)
    take(s.u, b, first, lanes, start, steps, room, U)
    if s.gated:
        take(s.z, b, first, lanes, start, steps, room, Z)
    bias = load(room, PARAMETERS + LANES)
    for k in range(steps):
        raw = add(load(room, RAW + k * LANES), bias)
        store(room, RAW + k * LANES, raw)
        store(room, DELTA + k * LANES, softplus(raw) if s.positive else raw)


@kernel
def step_forward(s, b, group, start, steps, room):
    """Tile Y and the state, which goes from before to after the chunk."""
    B, C, skip = of_group(s.B, b, group, s.groups), of_group(s.C, b, group, s.groups), load(room, PARAMETERS)
    rate, state, _, _, _, _, _ = places(s.A.shape[1])
    for k in range(steps):
        B_t, C_t = at(B, start + k), at(C, start + k)
        delta, u = load(room, DELTA + k * LANES), load(room, U + k * LANES)
        x, y = mul(delta, u), mul(skip, u)
        for n in range(s.A.shape[1]):
            a = exp2(mul(delta, load(room, rate + n * LANES)))
            h = fma(a, load(room, state + n * LANES), mul(x, fill(B_t[n])))
            store(room, state + n * LANES, h)
            y = fma(fill(C_t[n]), h, y)
        if s.gated:
            z = load(room, Z + k * LANES)
            y = mul(y, mul(z, sigmoid(z)))
        store(room, Y + k * LANES, y)


@kernel
def forward_block(s, b, group, i, h, y, kept, room):
    first, lanes = block_of(s, group, i)
    block = group * blocks_of(s) + i
    _, state, _, _, _, _, _ = places(s.A.shape[1])
    take_block(s, first, lanes, room)
    take_rows(h[b], first, lanes, s.A.dtype.type(1), room, state)
    for start in range(0, s.u.shape[2], STEPS):
        steps = min(STEPS, s.u.shape[2] - start)
        if kept.shape[0]:
            copy(room, state, kept[b, block, start // STEPS], 0, s.A.shape[1])
        take_steps(s, b, first, lanes, start, steps, room)
        step_forward(s, b, group, start, steps, room)
        put(y, b, first, lanes, start, steps, room, Y)
    put_rows(h[b], first, lanes, room, state)


@kernel
def forward(u, delta, A, B, C, D, z, bias, gated, positive, groups, h, y, kept, room):
    """y (B, D, L) from the state h (B, D, N), which becomes the last. `kept` (B, blocks, chunks, 16 N) takes the states
    before the chunks, or has length 0."""
    s = Scan(u, delta, A, B, C, D, z, bias, gated, positive, groups)
    for b in range(u.shape[0]):
        for group in range(groups):
            for i in range(blocks_of(s)):
                forward_block(s, b, group, i, h, y, kept, room)


@kernel
def step_again(s, b, group, start, steps, room):
    """Decays and states of a chunk. Tile GRAD becomes the gradient of what the gate multiplies, GRAD_Z that of z."""
    B, C, skip = of_group(s.B, b, group, s.groups), of_group(s.C, b, group, s.groups), load(room, PARAMETERS)
    size = s.A.shape[1] * LANES
    rate, _, decays, before, _, _, _ = places(s.A.shape[1])
    for k in range(steps):
        B_t, C_t = at(B, start + k), at(C, start + k)
        delta, u = load(room, DELTA + k * LANES), load(room, U + k * LANES)
        x, y = mul(delta, u), mul(skip, u)
        for n in range(s.A.shape[1]):
            here = k * size + n * LANES
            a = exp2(mul(delta, load(room, rate + n * LANES)))
            h = fma(a, load(room, before + here), mul(x, fill(B_t[n])))
            store(room, decays + here, a)
            store(room, before + size + here, h)
            y = fma(fill(C_t[n]), h, y)
        if s.gated:
            z, grad, one = load(room, Z + k * LANES), load(room, GRAD + k * LANES), fill(s.A.dtype.type(1))
            gate = sigmoid(z)
            slope = mul(gate, fma(z, sub(one, gate), one))
            store(room, GRAD_Z + k * LANES, mul(grad, mul(y, slope)))
            store(room, GRAD + k * LANES, mul(grad, mul(z, gate)))


@kernel
def step_back(s, b, group, start, steps, room, carry):
    """Tiles GRAD_U and GRAD_DELTA, and what is added to the sums and to `carry`."""
    B, C, skip = of_group(s.B, b, group, s.groups), of_group(s.C, b, group, s.groups), load(room, PARAMETERS)
    states, size = s.A.shape[1], s.A.shape[1] * LANES
    rate, _, decays, before, sums_B, sums_C, _ = places(states)
    zero, one, ln2 = fill(s.A.dtype.type(0)), fill(s.A.dtype.type(1)), fill(s.A.dtype.type(LN2))
    for k in range(steps - 1, -1, -1):
        B_t, C_t = at(B, start + k), at(C, start + k)
        delta, u, grad = load(room, DELTA + k * LANES), load(room, U + k * LANES), load(room, GRAD + k * LANES)
        x, along_A, along_B = mul(delta, u), zero, zero
        for n in range(states):
            row, here = n * LANES, k * size + n * LANES
            adjoint = fma(fill(C_t[n]), grad, load(carry, row))
            decayed = mul(adjoint, load(room, decays + here))
            exponent = mul(decayed, load(room, before + here))
            store(carry, row, decayed)
            add_to(carry, size + row, exponent, delta)
            add_to(room, sums_B + here, adjoint, x)
            add_to(room, sums_C + here, grad, load(room, before + size + here))
            along_A = fma(exponent, load(room, rate + row), along_A)
            along_B = fma(adjoint, fill(B_t[n]), along_B)
        of_delta = fma(u, along_B, mul(along_A, ln2))
        if s.positive:
            of_delta = mul(of_delta, sigmoid(load(room, RAW + k * LANES)))
        store(room, GRAD_U + k * LANES, fma(delta, along_B, mul(grad, skip)))
        store(room, GRAD_DELTA + k * LANES, of_delta)
        add_to(carry, 2 * size, grad, u)
        add_to(carry, 2 * size + LANES, one, of_delta)


@kernel
def backward_block(s, g, b, group, i, start, steps, grad_y, kept, room, carry):
    first, lanes = block_of(s, group, i)
    _, _, _, before, _, _, _ = places(s.A.shape[1])
    take_block(s, first, lanes, room)
    copy(kept[b, group * blocks_of(s) + i, start // STEPS], 0, room, before, s.A.shape[1])
    take_steps(s, b, first, lanes, start, steps, room)
    take(grad_y, b, first, lanes, start, steps, room, GRAD)
    step_again(s, b, group, start, steps, room)
    step_back(s, b, group, start, steps, room, carry)
    put(g.u, b, first, lanes, start, steps, room, GRAD_U)
    put(g.delta, b, first, lanes, start, steps, room, GRAD_DELTA)
    if s.gated:
        put(g.z, b, first, lanes, start, steps, room, GRAD_Z)


@kernel
def add_sums(s, g, b, group, start, steps, room):
    """The gradients of B and C of a chunk: sums over the lanes."""
    B, C = of_group(g.B, b, group, s.groups), of_group(g.C, b, group, s.groups)
    states = s.A.shape[1]
    _, _, _, _, sums_B, sums_C, _ = places(states)
    for k in range(steps):
        B_t, C_t = at(B, start + k), at(C, start + k)
        for n in range(states):
            B_t[n] += total(load(room, sums_B + (k * states + n) * LANES))
            C_t[n] += total(load(room, sums_C + (k * states + n) * LANES))


@kernel
def backward_group(s, g, b, group, grad_h, grad_y, kept, room, carry):
    states, blocks, one = s.A.shape[1], blocks_of(s), s.A.dtype.type(1)
    _, _, _, _, sums, _, _ = places(states)
    for i in range(blocks):
        first, lanes = block_of(s, group, i)
        clear(carry[i], 0, 2 * states + 2)
        take_rows(grad_h[b], first, lanes, one, carry[i], 0)
    for chunk in range((s.u.shape[2] + STEPS - 1) // STEPS - 1, -1, -1):
        start = chunk * STEPS
        steps = min(STEPS, s.u.shape[2] - start)
        clear(room, sums, 2 * STEPS * states)
        for i in range(blocks):
            backward_block(s, g, b, group, i, start, steps, grad_y, kept, room, carry[i])
        add_sums(s, g, b, group, start, steps, room)
    for i in range(blocks):
        first, lanes = block_of(s, group, i)
        put_rows(grad_h[b], first, lanes, carry[i], 0)
        add_rows(g.A, first, lanes, carry[i], states * LANES)
        add_rows(g.D, first, lanes, carry[i], 2 * states * LANES)
        add_rows(g.bias, first, lanes, carry[i], 2 * states * LANES + LANES)


@kernel
def backward(
    u, delta, A, B, C, D, z, bias, gated, positive, groups,
    grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias, grad_h, grad_y, kept, room, carry,
):  # fmt: skip
    """All gradients; `grad_h` (B, D, N) is that of the last state and becomes that of the first. `carry` (blocks of a
    group, 16 (2 N + 2)) holds what passes from chunk to chunk: a l of `chunked.py`, and the sums for A, D and bias."""
    s = Scan(u, delta, A, B, C, D, z, bias, gated, positive, groups)
    g = Gradients(grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias)
    for b in range(u.shape[0]):
        for group in range(groups):
            backward_group(s, g, b, group, grad_h, grad_y, kept, room, carry)
