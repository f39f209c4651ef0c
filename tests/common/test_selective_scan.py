"""All back ends of the selective scan against the plain recurrence."""

import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.common.nn.selective_scan import backends, backends_here, chunked, reference, selective_scan
from gesturebench.common.nn.selective_scan.operands import NAMES, Operands

FAST = [name for name in ("torch", "numba") if name in backends_here()]
HERE = ["reference", *FAST]


def arguments(seed: int, batch: int, dim: int, length: int, states: int, groups: int = 1, dtype=torch.float64) -> dict:
    """Decays of e^-3 to e^-0.003 per step; B and C grouped if there are several groups."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    of_groups = (batch, states, length) if groups == 1 else (batch, groups, states, length)
    return {
        "u": normal(batch, dim, length),
        "delta": normal(batch, dim, length),
        "A": -torch.exp(normal(dim, states)),
        "B": normal(*of_groups),
        "C": normal(*of_groups),
        "D": normal(dim),
        "z": normal(batch, dim, length),
        "delta_bias": normal(dim) - 2,
        "initial_state": normal(batch, dim, states),
    }


def with_gradients(given: dict, backend: str, softplus: bool = True) -> dict[str, torch.Tensor]:
    """y, the last state, and the gradients of a weighted sum of both."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in given.items()}
    y, h = selective_scan(**leaves, delta_softplus=softplus, return_last_state=True, backend=backend)
    ((y * torch.cos(torch.arange(y.numel())).view_as(y)).sum() + (h * h).sum()).backward()
    return {"y": y, "h": h, **{f"grad_{name}": leaf.grad for name, leaf in leaves.items()}}


def assert_equal(ours: dict, theirs: dict, rtol: float = 1e-9) -> None:
    for name, expected in theirs.items():
        atol = rtol * float(expected.detach().abs().max() + 1)
        torch.testing.assert_close(ours[name], expected, rtol=rtol, atol=atol, msg=lambda text, name=name: name + text)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("backend", FAST)
def test_equals_the_recurrence_whatever_the_shape(backend, data):
    batch, length, states = (data.draw(st.integers(1, most)) for most in (3, 70, 18))
    groups = data.draw(st.sampled_from((1, 1, 2, 3)))
    dim = groups * data.draw(st.integers(1, 40))
    given = arguments(data.draw(st.integers(0, 99)), batch, dim, length, states, groups)
    for name in data.draw(st.sets(st.sampled_from(("D", "z", "delta_bias", "initial_state")))):
        del given[name]
    for name in data.draw(st.sets(st.sampled_from("BC"))):
        given[name] = given["A"].cos() + 1
    if data.draw(st.booleans()):  # memory as a mixer has it, channels side by side
        given |= {name: given[name].mT.contiguous().mT for name in given.keys() & {"u", "delta", "z"}}
    softplus = data.draw(st.booleans())
    if not softplus:
        given["delta"] = given["delta"].abs() * 0.1
        given.pop("delta_bias", None)
    assert_equal(with_gradients(given, backend, softplus), with_gradients(given, "reference", softplus))


@pytest.mark.parametrize(("backend", "length"), [("reference", 3), *((b, n) for b in FAST for n in (1, 18))])
def test_gradients_are_those_of_finite_differences(backend, length):
    given = {name: x.requires_grad_() for name, x in arguments(1, 2, 3, length, 2).items()}

    def outputs(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        named = dict(zip(given, tensors, strict=True))
        return selective_scan(**named, delta_softplus=True, return_last_state=True, backend=backend)

    assert torch.autograd.gradcheck(outputs, tuple(given.values()))


@pytest.mark.parametrize("size", [1, 2, 7, 16, 50, 51, 64])
def test_chunks_of_any_size_give_the_same(size):
    given = arguments(2, 2, 5, 51, 3)
    leaves = [given[name].requires_grad_() for name in NAMES]
    y, h = chunked.scan(Operands.of(*leaves, softplus=True), chunk=size)
    (y.cos().sum() + h.sum()).backward()
    expected = [given[name].detach().requires_grad_() for name in NAMES]
    y_, h_ = reference.scan(Operands.of(*expected, softplus=True))
    (y_.cos().sum() + h_.sum()).backward()
    pairs = {"y": (y, y_), "h": (h, h_)} | {n: (a.grad, b.grad) for n, a, b in zip(NAMES, leaves, expected)}
    assert_equal({n: a for n, (a, _) in pairs.items()}, {n: b for n, (_, b) in pairs.items()})


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("cuts", [(1, 2), (16, 64), (63,), (64, 65)])
def test_a_sequence_continues_from_its_last_state(backend, cuts):
    given = arguments(3, 2, 17, 80, 4, dtype=torch.float32)
    state = given.pop("initial_state")
    options = {"return_last_state": True, "delta_softplus": True, "backend": backend}
    whole, last = selective_scan(**given, initial_state=state, **options)
    pieces = []
    for start, stop in pairwise((0, *cuts, 80)):
        part = {n: x[..., start:stop] if n in ("u", "delta", "B", "C", "z") else x for n, x in given.items()}
        y, state = selective_scan(**part, initial_state=state, **options)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, -1), whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, last, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", HERE)
def test_float32_is_near_float64(backend):
    given = arguments(4, 1, 48, 1500, 16, dtype=torch.float32)
    given["A"] = -torch.arange(1.0, 17).expand(48, 16)  # as a mixer begins, with steps of 1e-3 to 1e-1
    given["delta_bias"] = torch.logspace(-3, -1, 48).expm1().log()
    given["delta"] *= 0.3
    y = selective_scan(**given, delta_softplus=True, backend=backend).double()
    exact = selective_scan(**{n: x.double() for n, x in given.items()}, delta_softplus=True, backend="reference")
    assert float((y - exact).abs().max() / exact.abs().max()) < 5e-7


@pytest.mark.parametrize("backend", HERE)
def test_bfloat16_is_rounded_once_at_the_end(backend):
    given = arguments(5, 2, 20, 40, 4, dtype=torch.bfloat16)
    y, h = selective_scan(**given, delta_softplus=True, return_last_state=True, backend=backend)
    wide = {name: x.float() for name, x in given.items()}
    expected, last = selective_scan(**wide, delta_softplus=True, return_last_state=True, backend=backend)
    assert (y.dtype, h.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(y, expected.bfloat16())
    assert torch.equal(h, last)
    grads = with_gradients(given, backend)
    assert all(grads[f"grad_{name}"].dtype == torch.bfloat16 for name in given)


@pytest.mark.parametrize("backend", HERE)
def test_autocast_changes_nothing(backend):
    given = arguments(6, 1, 8, 70, 4, dtype=torch.float32)
    plain = with_gradients(given, backend)
    with torch.autocast("cpu", torch.bfloat16):
        cast = with_gradients(given, backend)
    for name, tensor in plain.items():
        assert torch.equal(tensor, cast[name]), name


@pytest.mark.parametrize("backend", FAST)
def test_what_is_kept_for_the_backward_pass_does_not_hold_all_states(backend):
    given = arguments(7, 1, 32, 1024, 16, dtype=torch.float32)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        selective_scan(**{n: x.requires_grad_() for n, x in given.items()}, delta_softplus=True, backend=backend)
    assert sum(kept) < 12 * given["u"].numel()  # all states would be 16 more


@pytest.mark.parametrize("backend", HERE)
def test_no_decay_is_a_running_sum_and_full_decay_forgets(backend):
    one = torch.ones(1, 2, 40)
    running = selective_scan(one, one, torch.zeros(2, 1), one[:, :1], one[:, :1], backend=backend)
    assert torch.equal(running, torch.arange(1.0, 41).expand(1, 2, 40))
    forgotten = selective_scan(one, one, torch.full((2, 1), -1e4), one[:, :1], one[:, :1], backend=backend)
    torch.testing.assert_close(forgotten, one)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("name", ["u", "delta", "A", "B", "C", "z"])
def test_nan_is_not_swallowed(backend, name):
    given = arguments(8, 1, 3, 20, 2, dtype=torch.float32)
    given[name].view(-1)[0] = torch.nan
    assert selective_scan(**given, delta_softplus=True, backend=backend).isnan().any()


@pytest.mark.skipif("numba" not in FAST, reason="needs numba")
@pytest.mark.parametrize(("batch", "dim", "groups"), [(1, 70, 1), (3, 20, 1), (3, 8, 2), (1, 8, 2)])
def test_threads_give_the_same(monkeypatch, batch, dim, groups):
    from gesturebench.common.nn.selective_scan import numba_backend

    given = arguments(9, batch, dim, 33, 4, groups)
    given["B"] = given["A"].cos() if batch == 3 else given["B"]
    expected = with_gradients(given, "numba")
    monkeypatch.setattr(numba_backend, "WORTH_SHARING", 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert_equal(with_gradients(given, "numba"), expected, rtol=1e-12)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif("numba" not in FAST, reason="needs numba")
def test_compiled_kernels_lie_in_the_cache_of_the_user():
    from gesturebench.common.nn.selective_scan.numba_backend import _compiled_folder

    selective_scan(**arguments(0, 1, 1, 1, 1, dtype=torch.float32), backend="numba")
    assert list(_compiled_folder().glob("*/numba_kernels.forward-*.nbi"))


@pytest.mark.skipif("numba" not in FAST, reason="needs numba")
def test_powers_are_right_on_every_machine():
    """By instructions that only some machines have, and without them."""
    from numba import njit
    from numba.extending import intrinsic

    from gesturebench.common.nn.selective_scan import lanes

    @intrinsic
    def plain(typing, x):
        return x(x), lambda context, b, signature, values: lanes._exp2(b, *values)

    @njit
    def powers(x, best, anywhere):
        for k in range(0, len(x), lanes.LANES):
            lanes.store(best, k, lanes.exp2(lanes.load(x, k)))
            lanes.store(anywhere, k, plain(lanes.load(x, k)))

    x = torch.cat((torch.linspace(-120, 120, 4096), torch.linspace(-1, 1, 4080), torch.full((16,), torch.nan)))
    x[-2:] = torch.tensor([-1e30, -torch.inf])
    best, anywhere = torch.empty_like(x), torch.empty_like(x)
    powers(*(tensor.numpy() for tensor in (x, best, anywhere)))
    for found in (best, anywhere):
        torch.testing.assert_close(found[:-16].double(), torch.exp2(x[:-16].double()), rtol=1e-7, atol=0)
        assert found[-16:-2].isnan().all()
        assert found[-2:].max() < 1e-36


INTERPRETED = """
import torch
from tests.common.test_selective_scan import arguments, assert_equal
from gesturebench.common.nn.selective_scan import selective_scan
from gesturebench.common.nn.selective_scan.operands import NAMES, Operands
from gesturebench.common.nn.selective_scan.triton_backend import scan
for groups, length, absent in ((1, 1, ""), (2, 67, "z"), (1, 33, "initial_state")):
    given = arguments(0, 2, 6, length, 3, groups)
    given.pop(absent, None)
    if length == 33:
        given["B"] = given["A"].cos()
    results = []
    for run in (
        lambda leaves: scan(Operands.of(*(leaves.get(name) for name in NAMES), softplus=True)),
        lambda leaves: selective_scan(**leaves, delta_softplus=True, return_last_state=True, backend="reference"),
    ):
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in given.items()}
        y, h = run(leaves)
        (y.cos().sum() + (h * h).sum()).backward()
        results.append({"y": y, "h": h} | {name: leaf.grad for name, leaf in leaves.items()})
    assert_equal(*results)
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_triton_kernels_in_its_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED], env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def operand_set(dtype=torch.float32, **changes: torch.Tensor | None) -> Operands:
    given = arguments(0, 1, 2, 3, 4, dtype=dtype) | changes
    return Operands.of(*(given[name] for name in NAMES), softplus=True)


def test_auto_takes_the_fastest_that_fits(monkeypatch):
    monkeypatch.setattr(backends, "_found", lambda package: package == "numba")
    assert backends.choose("auto", operand_set()) == "numba"
    assert backends.choose("auto", operand_set(torch.float64)) == "torch"
    monkeypatch.setattr(backends, "_found", lambda package: False)
    assert backends.choose("auto", operand_set()) == "torch"
    assert backends_here() == ["reference", "torch"]
    monkeypatch.setattr(backends, "_found", lambda package: True)
    meta = {name: x.to("meta") for name, x in arguments(0, 1, 2, 3, 4).items()}
    on_meta = Operands.of(*(meta[name] for name in NAMES), softplus=True)
    assert backends.choose("auto", on_meta) == "torch"


def test_a_back_end_that_cannot_run_says_why(monkeypatch):
    with pytest.raises(InputError, match="did you mean 'triton'"):
        backends.choose("tritn", operand_set())
    monkeypatch.setattr(backends, "_found", lambda package: False)
    with pytest.raises(InputError, match=r"needs the package numba; expected auto or .*reference, torch; pip install"):
        backends.choose("numba", operand_set())
    monkeypatch.setattr(backends, "_found", lambda package: True)
    with pytest.raises(InputError, match="runs on cuda tensors, these are on cpu"):
        backends.choose("triton", operand_set())


@pytest.mark.parametrize(
    ("name", "shape"),
    [("u", (2, 3)), ("u", (1, 2, 0)), ("delta", (1, 2, 4)), ("B", (1, 3, 4, 3)), ("C", (1, 5, 3)), ("D", (3,))],
)
def test_a_shape_that_does_not_fit_is_named(name, shape):
    given = arguments(0, 1, 2, 3, 4) | {name: torch.zeros(shape)}
    with pytest.raises(ValueError, match=f"selective scan: {name} has shape"):
        selective_scan(**given)
    with pytest.raises(ValueError, match=r"A is torch\.complex64"):
        operand_set(A=torch.zeros(2, 4, dtype=torch.complex64))
