"""The Mamba mixer and its stacks: causal, equal in any pieces, started as published."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.nn.mamba import GatedMLP, Mamba, MambaModel, MambaScan


def mixer(width: int = 10, **options) -> Mamba:
    torch.manual_seed(0)
    return Mamba(width, **options).double()


def tokens(batch: int, length: int, width: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, length, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(2, 5), st.integers(1, 3))
def test_a_sequence_in_pieces_is_the_whole(pieces, taps, batch):
    mamba = mixer(d_conv=taps, d_state=3)
    x, state, outputs = tokens(batch, sum(pieces), 10), mamba.start(batch), []
    with torch.no_grad():
        for piece in x.split(pieces, 1):
            y, state = mamba.extend(piece, state)
            outputs.append(y)
        torch.testing.assert_close(torch.cat(outputs, 1), mamba(x))
        state = mamba.start(batch)
        for t in range(x.shape[1]):
            y, state = mamba.step(x[:, t], state)
        torch.testing.assert_close(y, mamba(x)[:, -1])


def test_the_states_keep_what_the_next_token_needs():
    mamba, x = mixer(d_conv=4), tokens(2, 9, 10)
    _, state = mamba.extend(x, mamba.start(2))
    assert state.conv.shape == (2, 20, 4)
    torch.testing.assert_close(state.conv, mamba.in_proj(x).chunk(2, -1)[0].mT[..., -4:])
    assert state.ssm.shape == (2, 20, 16)


@pytest.mark.parametrize("length", [1, 2, 3, 70])
def test_outputs_do_not_look_ahead(length):
    mamba, x = mixer(), tokens(1, length + 5, 10)
    torch.testing.assert_close(mamba(x)[:, :length], mamba(x[:, :length]))
    changed = x.clone()
    changed[:, 0] += 1
    assert (mamba(changed) - mamba(x))[:, -1].abs().max() > 0  # but far back


def test_parameters_are_called_as_published():
    shapes = {name: tuple(p.shape) for name, p in Mamba(24).named_parameters()}
    assert shapes == {
        "A_log": (48, 16),
        "D": (48,),
        "in_proj.weight": (96, 24),
        "conv1d.weight": (48, 1, 4),
        "conv1d.bias": (48,),
        "x_proj.weight": (34, 48),
        "dt_proj.weight": (48, 2),
        "dt_proj.bias": (48,),
        "out_proj.weight": (24, 48),
    }


def test_mixers_start_as_published():
    mamba = Mamba(64)
    torch.testing.assert_close(mamba.A_log.exp(), torch.arange(1.0, 17).expand(128, 16))
    assert torch.equal(mamba.D, torch.ones(128))
    steps = torch.nn.functional.softplus(mamba.dt_proj.bias)
    assert 1e-3 * 0.999 <= steps.min() < 3e-3  # log-uniform: both ends are reached
    assert 3e-2 < steps.max() <= 1e-1 * 1.001
    assert mamba.dt_proj.weight.abs().max() <= 4**-0.5
    assert mamba.sizes == (4, 16, 16)


@pytest.mark.parametrize("layers", [1, 4])
def test_stacks_start_without_biases_and_with_small_ways_to_the_residual(layers):
    stack = MambaModel(32, 32, layers)
    named = dict(stack.named_modules())
    written = [name for name in named if name.endswith(("out_proj", "fc2"))]
    assert len(written) == 2 * layers + 1  # the attention's too
    for name in written:
        bound = 1 / math.sqrt(named[name].weight.shape[1] * 2 * layers)
        assert 0.8 * bound < named[name].weight.abs().max() <= bound, name
    biases = {n: m.bias for n, m in named.items() if isinstance(m, torch.nn.Linear) and m.bias is not None}
    assert {n.rsplit(".", 1)[-1] for n, b in biases.items() if b.any()} == {"dt_proj"}


@pytest.mark.parametrize(("hidden", "rounded"), [(1, 128), (128, 128), (129, 256), (768, 768)])
def test_gated_mlp_rounds_its_width_up(hidden, rounded):
    mlp = GatedMLP(8, hidden)
    assert (mlp.fc1.weight.shape, mlp.fc2.weight.shape) == ((2 * rounded, 8), (8, rounded))
    x = torch.randn(3, 8)
    y, gate = (x @ mlp.fc1.weight.T).split(rounded, -1)
    torch.testing.assert_close(mlp(x), (y * gate * gate.sigmoid()) @ mlp.fc2.weight.T)


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_every_parameter_learns(backend):
    stack = MambaScan(12, 20, 7, 2, backend=backend)
    y = stack(tokens(2, 33, 12).float())
    assert y.shape == (2, 33, 7)
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in stack.parameters())


def test_scan_stack_is_causal_and_the_model_with_attention_is_not():
    x = tokens(1, 20, 16).float()
    changed = x.clone()
    changed[:, -1] += 1
    for stack, causal in ((MambaScan(16, 16, 16, 2), True), (MambaModel(16, 16, 2), False)):
        stack.eval()
        moved = (stack(changed) - stack(x))[:, :-1].abs().max()
        assert (moved == 0) == causal


def test_blocks_keep_the_residual_in_float32_under_autocast():
    stack = MambaScan(16, 16, 16, 2).eval()
    x = tokens(1, 20, 16).float()
    with torch.autocast("cpu", torch.bfloat16):
        h, residual = x, torch.zeros_like(x)
        for layer in stack.layers:
            h, residual = layer(h, residual)
        assert (h.dtype, residual.dtype) == (torch.bfloat16, torch.float32)
        rough = stack(x)
    torch.testing.assert_close(rough.float(), stack(x), atol=0.05, rtol=0.05)
