"""The denoiser for many steps of the same windows: all that neither x nor the timestep changes is computed once.

`input_process2` is linear in [token ; pose ; audio], so its audio part, the condition's share of its token part and all
biases are one constant, its pose part and the pose embedding are one matrix, and of the timestep a row of a table is
left. Weights are laid out for the product, angles of rotary positions are kept as cosines and sines.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.local_attention import hidden_keys
from gesturebench.common.cross_local.rotary import angles
from gesturebench.common.nn.packed import Packed, packed


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
        out = turned.unflatten(-1, (heads, 2, -1))
        torch.sub(first * self.cos, second * self.sin, out=out[..., 0, :])
        torch.add(second * self.cos, first * self.sin, out=out[..., 1, :])
        return turned


class Layer:
    """A layer of the transformer at inference, its norms behind the additions."""

    def __init__(self, layer: nn.TransformerEncoderLayer):
        attention = layer.self_attn
        self._heads = attention.num_heads
        self._qkv = packed(attention.in_proj_weight, attention.in_proj_bias)
        self._out, self._up, self._down = (
            packed(linear.weight, linear.bias) for linear in (attention.out_proj, layer.linear1, layer.linear2)
        )
        self._norms = layer.norm1, layer.norm2

    def __call__(self, x_BTD: Tensor) -> Tensor:
        heads = (part.transpose(1, 2) for part in self._qkv(x_BTD).unflatten(-1, (3, self._heads, -1)).unbind(2))
        seen = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        x_BTD = self._norms[0](self._out(seen) + x_BTD)
        return self._norms[1](self._down(nn.functional.gelu(self._up(x_BTD))) + x_BTD)


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
        self._layers = [Layer(layer) for layer in denoiser.seqTransEncoder.layers]
        final = denoiser.output_process.poseFinal
        self._final = packed(final.weight, final.bias)

    def __call__(self, x_BTF: Tensor, index: int) -> Tensor:
        """Predicted x0 (B, T, F)."""
        with torch.no_grad():
            frames = self._static + self._time_parts[index]
            frames = self._pose.add_to(frames, x_BTF.contiguous())
            return self._refine(frames, self._condition + self._times[index])

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
        self._pose: Packed = packed(pose[:, : self._config.features])

    def _local_mask(self, rows: int, device: torch.device) -> Tensor:
        """(N, w, 2 w): what is added to scores; the first window has nothing before it."""
        window = self._config.window
        hidden = hidden_keys(rows, window, device=device)
        hidden[0, :, :window] = True
        return torch.zeros(hidden.shape, device=device).masked_fill(hidden, -torch.inf)

    def _refine(self, frames_BTD: Tensor, token_BD: Tensor) -> Tensor:
        heads, window = self._config.local_heads, self._config.window
        turned = self._turns[0](frames_BTD, heads).unflatten(-1, (heads, -1)).transpose(1, 2)
        own = turned.unflatten(2, (-1, window))
        seen = torch.cat((nn.functional.pad(own[:, :, :-1], (0, 0, 0, 0, 1, 0)), own), -2)
        local = nn.functional.scaled_dot_product_attention(own, seen, seen, attn_mask=self._hidden)
        frames = self._turns[1](local.flatten(2, 3).transpose(1, 2).flatten(2), heads)
        tokens = torch.cat((token_BD[:, None], frames), 1)  # a token at position 0 does not turn
        for layer in self._layers:
            tokens = layer(tokens)
        return self._final(tokens[:, 1:])
