"""Mamba-1 mixers (Gu & Dao 2023, section 3.4) and the stacks of blocks that MambaTalk builds from them.

Legend: B batch, L length, D width of the model, E = expand D channels of the scan, N states of a channel, K taps of the
convolution, R rank of the step size. Parameter names are those of `mamba_ssm` and of the released weights.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gesturebench.common.nn.selective_scan import selective_scan

DT_RANGE, DT_FLOOR = (1e-3, 1e-1), 1e-4
"""Step sizes at the start of training: log-uniform, at least the floor."""
MLP_MULTIPLE = 128
"""Hidden widths of the gated MLP are rounded up to multiples of that."""


class MambaState(NamedTuple):
    """What a mixer remembers of the tokens so far: the last inputs of its convolution, and the state of its scan."""

    conv: Tensor
    """(B, E, K)"""
    ssm: Tensor
    """(B, E, N), float32."""


class Mamba(nn.Module):
    """x, z = in_proj(input); x = SiLU(causal convolution(x)); scan of x with steps and B, C made from x; out_proj.

    `backend` is a name of `selective_scan.BACKENDS`, or auto.

    >>> mixer = Mamba(24)
    >>> mixer(torch.zeros(2, 7, 24)).shape
    torch.Size([2, 7, 24])
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | None = None,
        backend: str = "auto",
    ):
        super().__init__()
        width, rank = expand * d_model, dt_rank or math.ceil(d_model / 16)
        self.backend, self.sizes = backend, (rank, d_state, d_state)
        self.in_proj = nn.Linear(d_model, 2 * width, bias=False)
        self.conv1d = nn.Conv1d(width, width, d_conv, groups=width, padding=d_conv - 1)
        self.x_proj = nn.Linear(width, sum(self.sizes), bias=False)
        self.dt_proj = nn.Linear(rank, width)
        self.A_log = nn.Parameter(torch.arange(1.0, d_state + 1).log().repeat(width, 1))
        self.D = nn.Parameter(torch.ones(width))
        self.out_proj = nn.Linear(width, d_model, bias=False)
        self._reset_steps()

    @torch.no_grad()
    def _reset_steps(self) -> None:
        """dt_proj.bias: softplus of it is log-uniform in `DT_RANGE`."""
        rank, _, _ = self.sizes
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        low, high = (math.log(step) for step in DT_RANGE)
        step = torch.exp(low + (high - low) * torch.rand_like(self.dt_proj.bias)).clamp(min=DT_FLOOR)
        self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))  # the inverse of softplus

    def forward(self, x_BLD: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D) from the zero state."""
        x, z = self.in_proj(x_BLD).mT.chunk(2, 1)
        y, _ = self._scan(self._convolved(F.pad(x, (self.taps - 1, 0))), z, None)
        return y

    def extend(self, x_BLD: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """The next L tokens of a sequence: their outputs, equal to those of the whole sequence, and the state after."""
        x, z = self.in_proj(x_BLD).mT.chunk(2, 1)
        seen = torch.cat((state.conv, x), -1)
        y, ssm = self._scan(self._convolved(seen[..., 1:]), z, state.ssm)
        return y, MambaState(seen[..., -self.taps :], ssm)

    def step(self, x_BD: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """One token (B, D)."""
        y, state = self.extend(x_BD[:, None], state)
        return y[:, 0], state

    def start(self, batch: int) -> MambaState:
        """The state before the first token: zeros."""
        width, states = self.A_log.shape
        return MambaState(self.D.new_zeros(batch, width, self.taps), self.D.new_zeros(batch, width, states).float())

    @property
    def taps(self) -> int:
        return self.conv1d.kernel_size[0]

    def _convolved(self, x_BEL: Tensor) -> Tensor:
        """SiLU(convolution) (B, E, L) of L + K - 1 inputs."""
        return F.silu(F.conv1d(x_BEL, self.conv1d.weight, self.conv1d.bias, groups=len(self.D)))

    def _scan(self, x_BEL: Tensor, z_BEL: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        dt, B, C = self.x_proj(x_BEL.mT).split(self.sizes, -1)
        y, last = selective_scan(
            x_BEL,
            F.linear(dt, self.dt_proj.weight).mT,
            -torch.exp(self.A_log.float()),
            B.mT,
            C.mT,
            self.D,
            z_BEL,
            self.dt_proj.bias,
            delta_softplus=True,
            return_last_state=True,
            backend=self.backend,
            initial_state=state,
        )
        return self.out_proj(y.mT), last


class GatedMLP(nn.Module):
    """fc2(y SiLU(g)) with (y, g) = fc1(x); no biases."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        hidden = math.ceil(hidden / MLP_MULTIPLE) * MLP_MULTIPLE
        self.fc1, self.fc2 = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y, gate = self.fc1(x).chunk(2, -1)
        return self.fc2(y * F.silu(gate))


class MambaBlock(nn.Module):
    """r += h; h = mixer(norm(r)); r += h; h = mlp(norm2(r)): the residual r runs beside the output h, in float32."""

    def __init__(self, width: int, d_intermediate: int, backend: str = "auto"):
        super().__init__()
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixer, self.mlp = Mamba(width, backend=backend), GatedMLP(width, d_intermediate)

    def forward(self, h_BLD: Tensor, residual_BLD: Tensor) -> tuple[Tensor, Tensor]:
        residual = residual_BLD + h_BLD
        h = self.mixer(self.norm(residual))
        residual = residual + h
        return self.mlp(self.norm2(residual)), residual


class _Stack(nn.Module):
    """`n_layer` blocks, and a LayerNorm of output plus residual."""

    def __init__(self, width: int, d_intermediate: int, n_layer: int, backend: str):
        super().__init__()
        self.layers = nn.ModuleList(MambaBlock(width, d_intermediate, backend) for _ in range(n_layer))
        self.norm_f = nn.LayerNorm(width)

    def through(self, x_BLD: Tensor) -> Tensor:
        h, residual = x_BLD, torch.zeros_like(x_BLD, dtype=torch.promote_types(x_BLD.dtype, torch.float32))
        for layer in self.layers:
            h, residual = layer(h, residual)
        return self.norm_f(h + residual)

    @torch.no_grad()
    def reset(self) -> None:
        """As published: no biases at the start but the step sizes', and projections that write to the residual drawn
        smaller by sqrt(2 n_layer); that includes the attention's."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear) and module.bias is not None and not name.endswith("dt_proj"):
                module.bias.zero_()
            if name.endswith(("out_proj", "fc2")):
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))
                module.weight /= math.sqrt(2 * len(self.layers))


class MambaScan(_Stack):
    """Blocks, then a linear to the output width: (B, L, in_dim) -> (B, L, out_dim)."""

    def __init__(self, in_dim: int, d_intermediate: int, out_dim: int, n_layer: int, backend: str = "auto"):
        super().__init__(in_dim, d_intermediate, n_layer, backend)
        self.out = nn.Linear(in_dim, out_dim)
        self.reset()

    def forward(self, x_BLD: Tensor) -> Tensor:
        return self.out(self.through(x_BLD))


class MambaModel(_Stack):
    """A post-norm transformer encoder layer that sees the whole sequence, then blocks: (B, L, D) -> (B, L, D)."""

    def __init__(
        self, width: int, d_intermediate: int, n_layer: int, heads: int = 8, dropout: float = 0.1, backend: str = "auto"
    ):
        super().__init__(width, d_intermediate, n_layer, backend)
        layer = nn.TransformerEncoderLayer(width, heads, width, dropout, batch_first=True)
        self.attention = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.reset()

    def forward(self, x_BLD: Tensor) -> Tensor:
        return self.through(self.attention(x_BLD))
