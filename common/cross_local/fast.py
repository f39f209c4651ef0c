"""The denoiser for many steps of the same windows: all that neither x nor the timestep changes is computed once.

`input_process2` is linear in [token ; pose ; audio], so its audio part, the condition's share of its token part and all
biases are one constant, its pose part and the pose embedding are one matrix, and of the timestep a row of a table is
left. Weights are laid out for the product, angles of rotary positions are kept as cosines and sines.

On a CPU each of several threads takes its share of the windows through the whole network: threads that share every
operator wait for each other at each.
"""

from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.local_attention import hidden_keys
from gesturebench.common.cross_local.rotary import angles
from gesturebench.common.nn.packed import PrepackedLinear
from gesturebench.common.threads import spread


class Turn(NamedTuple):
    """Rotary positions of rows (B, T, D) whose heads lie side by side; cosines and sines (T, 1, d / 2)."""

    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, first: int, rows: int, dim: int, device: torch.device) -> "Turn":
        """Of `rows` positions from `first` on, in heads of `dim` channels."""
        half = angles(first + rows, dim, device)[first:, None, : dim // 2]
        return cls(half.cos(), half.sin())

    def __call__(self, x_BTD: Tensor, heads: int) -> Tensor:
        first, second = x_BTD.unflatten(-1, (heads, 2, -1)).unbind(-2)
        turned = torch.empty_like(x_BTD)
        into = turned.unflatten(-1, (heads, 2, -1)).unbind(-2)
        torch.mul(first, self.cos, out=into[0]).addcmul_(second, self.sin, value=-1)
        torch.mul(second, self.cos, out=into[1]).addcmul_(first, self.sin)
        return turned


class Layer:
    """A layer of the transformer at inference, its norms behind the additions. The bias of the keys shifts all scores
    of a query alike and goes; that of the values passes weights that sum to one and joins that of the output.
    """

    def __init__(self, layer: nn.TransformerEncoderLayer, linear: PrepackedLinear):
        attention, self._linear = layer.self_attn, linear
        out, (query, _, value) = attention.out_proj, attention.in_proj_bias.chunk(3)
        self._qkv, self._query = attention.in_proj_weight, query.unflatten(0, (attention.num_heads, -1))
        self._out = out.weight, (out.bias.double() + out.weight.double() @ value.double()).float()
        self._up, self._down = ((one.weight, one.bias) for one in (layer.linear1, layer.linear2))
        self._norms = layer.norm1, layer.norm2

    def __call__(self, x_BTD: Tensor) -> Tensor:
        heads = self._linear(x_BTD, self._qkv).unflatten(-1, (3, *self._query.shape))
        heads[:, :, 0] += self._query
        seen = nn.functional.scaled_dot_product_attention(*heads.permute(2, 0, 3, 1, 4)).transpose(1, 2).flatten(2)
        x_BTD = self._norms[0](self._linear(seen, *self._out).add_(x_BTD))
        return self._norms[1](self._linear(nn.functional.gelu(self._linear(x_BTD, *self._up)), *self._down).add_(x_BTD))


class PreparedDenoiser:
    """`predict(x, index)` for windows whose audio, style and seed are known, at timesteps that are known.

    Arguments as of `CrossLocalDenoiser`, which it equals up to rounding; `timesteps` are those of a schedule, in its
    order, and `mask` (B, T, F) is what is given throughout.
    """

    @torch.no_grad()
    def __init__(
        self,
        denoiser: CrossLocalDenoiser,
        audio_BTA: Tensor,
        style_BS: Tensor,
        seed_BnF: Tensor,
        timesteps: Sequence[int],
        *,
        mask_BTF: Tensor | None = None,
        seed_last_BnF: Tensor | None = None,
        uncond: bool = False,
    ):
        self._config, where = denoiser.config, audio_BTA.device
        self._condition = denoiser.condition(style_BS, seed_BnF, uncond=uncond)
        self._times = denoiser.embed_timestep(torch.tensor(list(timesteps), device=where))
        audio = denoiser.hear(audio_BTA, seed_BnF, seed_last_BnF)
        self._prepare_input(denoiser, audio, mask_BTF)
        rows, dim = audio.shape[1], self._config.latent // self._config.local_heads
        self._turns = Turn.of(0, rows, dim, where), Turn.of(1, rows, dim, where)
        self._hidden = self._local_mask(rows, where)
        self._share = ceil(len(audio) / torch.get_num_threads()) if where.type == "cpu" else len(audio)
        self._linear, inside = PrepackedLinear(self._share * rows), PrepackedLinear(self._share * (rows + 1))
        self._layers = [Layer(layer, inside) for layer in denoiser.seqTransEncoder.layers]
        self._final = denoiser.output_process.poseFinal

    def __call__(self, x_BTF: Tensor, index: int) -> Tensor:
        """Predicted x0 (B, T, F)."""
        parts = [slice(first, first + self._share) for first in range(0, len(x_BTF), self._share)]
        tasks = [partial(self._predicted, x_BTF[part], index, part) for part in parts]
        return torch.cat(spread(tasks)) if len(tasks) > 1 else tasks[0]()

    @torch.no_grad()
    def _predicted(self, x_BTF: Tensor, index: int, rows: slice) -> Tensor:
        frames = self._linear(x_BTF, self._pose).add_(self._static[rows]).add_(self._time_parts[index])
        return self._refine(frames, self._condition[rows] + self._times[index])

    def _prepare_input(self, denoiser: CrossLocalDenoiser, audio_BTL: Tensor, mask_BTF: Tensor | None) -> None:
        """Of `input_process2` the constant, the table and the matrix of motion, in float64 until they are formed."""
        width = self._config.latent
        outer, inner = denoiser.input_process2, denoiser.input_process.poseEmbedding
        of_token, of_pose, of_audio = outer.weight.double().split([width, width, audio_BTL.shape[-1]], 1)
        pose = of_pose @ inner.weight.double()
        constant = audio_BTL.double() @ of_audio.T + (self._condition.double() @ of_token.T)[:, None]
        constant += outer.bias.double() + of_pose @ inner.bias.double()
        if mask_BTF is not None and self._config.mask_input:
            constant += mask_BTF.double() @ pose[:, self._config.features :].T
        self._static = constant.float()
        self._time_parts = (self._times.double() @ of_token.T).float()
        self._pose = pose[:, : self._config.features].float().contiguous()

    def _local_mask(self, rows: int, device: torch.device) -> Tensor:
        """(N, 1, w, 2 w): what is added to scores; the first window has nothing before it."""
        window = self._config.window
        hidden = hidden_keys(rows, window, device=device)
        hidden[0, :, :window] = True
        return torch.zeros(hidden.shape, device=device).masked_fill(hidden, -torch.inf)[:, None]

    def _refine(self, frames_BTD: Tensor, token_BD: Tensor) -> Tensor:
        heads = self._config.local_heads
        local = self._attended(self._turns[0](frames_BTD, heads).unflatten(-1, (heads, -1)))
        frames = self._turns[1](local.flatten(2), heads)
        tokens = torch.cat((token_BD[:, None], frames), 1)  # a token at position 0 does not turn
        for layer in self._layers:
            tokens = layer(tokens)
        return self._linear(tokens[:, 1:], self._final.weight, self._final.bias)

    def _attended(self, x_BTHd: Tensor) -> Tensor:
        """Local attention, (B, T, H, d): a window and the one before it, which for the first is hidden, overlap."""
        window = self._config.window
        own_BNHwd = x_BTHd.unflatten(1, (-1, window)).transpose(2, 3)
        seen_BNHdk = nn.functional.pad(x_BTHd, (0, 0, 0, 0, window, 0)).unfold(1, 2 * window, window)
        scores = torch.add(self._hidden, own_BNHwd @ seen_BNHdk, alpha=x_BTHd.shape[-1] ** -0.5)
        return (scores.softmax(-1) @ seen_BNHdk.transpose(-1, -2)).transpose(2, 3).flatten(1, 2)
