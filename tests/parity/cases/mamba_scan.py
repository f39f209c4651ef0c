"""The selective scan by every back end of this machine, the Mamba mixer, and stacks of its blocks."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gesturebench.common.nn.mamba import Mamba, MambaModel, MambaScan, MambaState
from gesturebench.common.nn.selective_scan import backends_here, selective_scan
from tests.parity.cases._rag_gesture import Arrays, filled
from tests.parity.frame import Check, Golden, case, near

EXACT = 5e-7
"""Tolerance beside the recurrence in float64."""
FLOAT32 = 2e-6
"""Tolerance of gradients and chains of modules: the golden side is float32 itself."""


@case("mambatalk/selective_scan.npz")
def scan(golden: Golden) -> Iterator[Check]:
    """Outputs beside float64, gradients beside float32."""
    on_cpu = [name for name in backends_here() if name not in ("triton", "mamba_ssm")]
    for settings in golden.config()["cases"]:
        for backend in on_cpu:
            yield from one_scan(golden, settings, backend)


def one_scan(golden: Golden, settings: dict, backend: str) -> Iterator[Check]:
    name = settings["name"]
    arrays = golden.under(f"in/{name}/")
    weights = torch.from_numpy(arrays.pop("grad_out"))
    inputs = {key: torch.from_numpy(value).requires_grad_() for key, value in arrays.items()}
    softplus = settings["delta_softplus"]
    y, h = selective_scan(**inputs, delta_softplus=softplus, return_last_state=True, backend=backend)
    (y * weights).sum().backward()
    yield near(f"{name}/{backend}/y", y, golden[f"out/{name}/y64"], EXACT)
    yield near(f"{name}/{backend}/last_state", h, golden[f"out/{name}/last_state64"], EXACT)
    for key, tensor in inputs.items():
        yield near(f"{name}/{backend}/grad_{key}", tensor.grad, golden[f"out/{name}/grad_{key}"], FLOAT32)


@case("mambatalk/mamba_mixer.npz")
def mixer(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    c = g.config
    mamba = filled(Mamba(c["d_model"], c["d_state"], c["d_conv"], c["expand"], c["dt_rank"]), g.param)
    for length in c["lengths"]:
        mamba.zero_grad()
        yield from with_gradient(mamba, g, f"L{length}/")
    for name, parameter in mamba.named_parameters():
        yield near(f"grad_param/{name}", parameter.grad, g.out[f"L{length}/grad_param/{name}"], FLOAT32)
    yield from token_by_token(mamba, g, g.inputs[f"L{length}/x"])


@torch.no_grad()
def token_by_token(mamba: Mamba, g: Arrays, x_BLD: Tensor) -> Iterator[Check]:
    state, outputs = mamba.start(len(x_BLD)), []
    for token in x_BLD.unbind(1):
        y, state = mamba.step(token, state)
        outputs.append(y)
    yield near("step/y", torch.stack(outputs, 1), g.out["step/y"], FLOAT32)
    for part, tensor in zip(MambaState._fields, state):
        yield near(f"step/{part}_state", tensor, g.out[f"step/{part}_state"], FLOAT32)


@case("mambatalk/mamba_scan.npz")
def mamba_scan(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    c = g.config
    yield from with_gradient(
        filled(MambaScan(c["in_dim"], c["d_intermediate"], c["out_dim"], c["n_layer"]), g.param), g
    )


@case("mambatalk/mamba_model.npz")
def mamba_model(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    c = g.config
    model = MambaModel(c["d_model"], c["d_intermediate"], c["n_layer"], c["attention_heads"])
    yield from with_gradient(filled(model, g.param), g)


def with_gradient(module: nn.Module, g: Arrays, prefix: str = "") -> Iterator[Check]:
    x = g.inputs[f"{prefix}x"].requires_grad_()
    y = module(x)
    (y * g.inputs[f"{prefix}grad_y"]).sum().backward()
    yield near(f"{prefix}y", y, g.out[f"{prefix}y"], FLOAT32)
    yield near(f"{prefix}grad_x", x.grad, g.out[f"{prefix}grad_x"], FLOAT32)
