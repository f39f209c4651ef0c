"""The selective scan on one thread, beside the loop published with Mamba and beside a parallel scan.

`-k forward`, `-k training` (forward and backward), `-k memory` and `-k floors` run a part; all of it takes many minutes
and 12 GB. The floors are what no way of computing the recurrence can avoid: one exponential for each state and step, by
the same instructions, on numbers that stay in the cache; and reading u, delta, z and writing y once.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gesturebench.common.nn.selective_scan import backends_here, selective_scan
from gesturebench.common.threads import limit_threads

from .other_scans import parallel, sequential

limit_threads()
LENGTHS = (64, 256, 1024, 4096, 16384)
WIDTHS = (512, 1536)
STATES = 16
OTHERS = {"sequential": sequential, "parallel": parallel}
FAST = [name for name in ("torch", "numba") if name in backends_here()]


def arguments(dim: int, length: int, gradients: bool = False) -> dict[str, Tensor]:
    """One row, with decays and steps as a mixer starts with, in the order of `other_scans`."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    given = {
        "u": normal(1, dim, length),
        "delta": 0.3 * normal(1, dim, length),
        "A": -torch.arange(1.0, STATES + 1).repeat(dim, 1),
        "B": normal(1, STATES, length),
        "C": normal(1, STATES, length),
        "D": normal(dim),
        "z": normal(1, dim, length),
        "delta_bias": torch.logspace(-3, -1, dim).expm1().log(),
    }
    return {name: tensor.requires_grad_(gradients) for name, tensor in given.items()}


def ours(given: dict[str, Tensor], backend: str) -> Callable[[], Tensor]:
    return lambda: selective_scan(**given, delta_softplus=True, backend=backend)


def theirs(given: dict[str, Tensor], other: str) -> Callable[[], Tensor]:
    return lambda: OTHERS[other](*given.values())


def with_backward(forward: Callable[[], Tensor], given: dict[str, Tensor]) -> Callable[[], None]:
    def run() -> None:
        for tensor in given.values():
            tensor.grad = None
        forward().sum().backward()

    return run


def rounds(dim: int, length: int) -> int:
    """Many of those that take a millisecond, one of those that take ten seconds."""
    return max(1, min(40, 4_000_000 // (dim * length)))


@pytest.mark.parametrize("dim", WIDTHS)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("backend", FAST)
def test_forward(versus, backend, other, length, dim):
    given = arguments(dim, length)
    fast, slow = ours(given, backend), theirs(given, other)
    if length <= 1024:
        torch.testing.assert_close(fast(), slow(), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        versus(fast, slow, rounds(dim, length))


@pytest.mark.parametrize(("dim", "length"), [(d, n) for d in WIDTHS for n in LENGTHS if d * n <= 512 * 16384])
@pytest.mark.parametrize("backend", FAST)
def test_training(versus, backend, length, dim):
    """The parallel scan alone: the loop that indexes its steps needs minutes for a backward pass."""
    given = arguments(dim, length, gradients=True)
    fast, slow = (with_backward(f, given) for f in (ours(given, backend), theirs(given, "parallel")))
    fast()
    gradients = {name: tensor.grad for name, tensor in given.items()}
    slow()
    for name, tensor in given.items():
        largest = float(tensor.grad.abs().max())
        torch.testing.assert_close(gradients[name], tensor.grad, rtol=1e-3, atol=1e-4 * largest)
    versus(fast, slow, rounds(dim, 4 * length))


CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@pytest.mark.skipif(not CLEAR.exists(), reason="peaks of memory are read from Linux")
@pytest.mark.parametrize("name", ["parallel", *FAST])
def test_memory(benchmark, name):
    """The peak of forward and backward, in numbers for each number of u, does not grow with the length; states of all
    steps alone would be 16."""
    found, lengths = {}, (1024, 4096) if name == "parallel" else (1024, 4096, 16384)
    for length in lengths:
        given = arguments(512, length, gradients=True)
        run = with_backward(theirs(given, name) if name == "parallel" else ours(given, name), given)
        if name != "parallel":
            run()  # what is compiled or kept from call to call is not counted
            for tensor in given.values():
                tensor.grad = None
        found[length] = peak(run) / given["u"].nbytes
    benchmark.extra_info |= {f"L {length}": numbers for length, numbers in found.items()}
    benchmark.pedantic(run, rounds=1)
    assert found[lengths[-1]] < 1.2 * found[1024] + 1


def peak(run: Callable[[], None]) -> int:
    """Bytes that `run` takes at most, beyond those that the process had."""
    ctypes.CDLL(None).malloc_trim(0)
    CLEAR.write_text("5")
    before = _kilobytes("VmRSS")
    run()
    return 1024 * (_kilobytes("VmHWM") - before)


def _kilobytes(name: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name))


@pytest.mark.parametrize("dim", WIDTHS)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.skipif("numba" not in FAST, reason="needs numba")
def test_floors_exponentials(versus, exponentials, length, dim):
    """`ratio`: the share of the fused pass that its exponentials alone take, at most 1."""
    given = arguments(dim, length)
    with torch.no_grad():
        versus(ours(given, "numba"), lambda: exponentials(dim * length), rounds(dim, length))


@pytest.mark.parametrize("dim", WIDTHS)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.skipif("numba" not in FAST, reason="needs numba")
def test_floors_bandwidth(versus, length, dim):
    """`ratio`: the same share of reading u, delta and z and writing y."""
    given = arguments(dim, length)
    u, delta, z, y = (*(given[name] for name in ("u", "delta", "z")), torch.empty(1, dim, length))
    with torch.no_grad():
        versus(ours(given, "numba"), lambda: torch.addcmul(u, delta, z, out=y), rounds(dim, length))


@pytest.fixture(scope="module")
def exponentials() -> Callable[[int], None]:
    """A function that raises 2 to `count` times `STATES` powers, 16 at a time."""
    import numba

    from gesturebench.common.nn.selective_scan.lanes import LANES, add, exp2, fill, load, mul, store

    @numba.njit
    def run(numbers, count):
        total = fill(numbers.dtype.type(0))
        for k in range(count // LANES):
            step = fill(numbers.dtype.type(-k * 1e-9))
            for n in range(STATES):
                total = add(total, exp2(mul(step, load(numbers, n * LANES))))
        store(numbers, 0, total)

    return lambda count: run(torch.linspace(0.1, 1, STATES * LANES).numpy(), count)
