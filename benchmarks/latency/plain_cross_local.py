"""DiffuseStyleGesture's sampling loop as it was released, restated plainly: one clip after another, and at every step
the whole network anew, from the projection of the speech to the angles of the rotary positions.

Works on the weights of our denoiser, of which it reads parameters alone. Tensors are laid out as released: frames
first, (T, B, D).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.diffusion.schedule import Schedule

Told = tuple[Tensor, Tensor, Tensor]
"""Audio (1, T, A), style (1, S) and seed (1, n, F) of a clip."""


class PlainDenoiser:
    """Conditioning 3, every frame seen."""

    def __init__(self, denoiser: CrossLocalDenoiser):
        self._weights, config = denoiser, denoiser.config
        self._window, self._heads = config.window, config.local_heads
        self._inv_freq = 1.0 / 10_000 ** (
            torch.arange(0, config.latent // self._heads, 2).float() * self._heads / config.latent
        )
        layer = nn.TransformerEncoderLayer(config.latent, config.heads, config.feed_forward, config.dropout, "gelu")
        self._encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False).eval()
        self._encoder.load_state_dict(denoiser.seqTransEncoder.state_dict())

    def __call__(self, x_BTF: Tensor, t_B: Tensor, told: Told) -> Tensor:
        audio, style, seed = told
        w, frames = self._weights, x_BTF.shape[1]
        time = w.embed_timestep.time_embed(w.embed_timestep.pe[t_B])
        condition = torch.cat((w.embed_style(style), w.embed_text(seed.permute(0, 2, 1).reshape(len(seed), -1))), 1)
        token = (condition + time)[None]
        pose = w.input_process(x_BTF.permute(1, 0, 2))
        heard = w.WavEncoder(audio).permute(1, 0, 2)
        tokens = w.input_process2(torch.cat((token.repeat(frames, 1, 1), pose, heard), -1))
        turned = self._turned(tokens)
        tokens = torch.cat((token, self._merged(self._attended(turned))))
        return w.output_process(self._encoder(self._merged(self._turned(tokens)))[1:]).permute(1, 0, 2)

    def _turned(self, x_TBD: Tensor) -> Tensor:
        """(B, H, T, d)."""
        frames, rows, width = x_TBD.shape
        heads = x_TBD.permute(1, 0, 2).reshape(rows, frames, self._heads, width // self._heads).permute(0, 2, 1, 3)
        angles = torch.einsum("t,f->tf", torch.arange(frames).type_as(self._inv_freq), self._inv_freq)
        angles = torch.cat((angles, angles), -1)
        first, second = heads.reshape(*heads.shape[:-1], 2, -1).unbind(-2)
        return heads * angles.cos() + torch.cat((-second, first), -1) * angles.sin()

    def _merged(self, x_BHTd: Tensor) -> Tensor:
        return x_BHTd.permute(2, 0, 1, 3).reshape(x_BHTd.shape[2], x_BHTd.shape[0], -1)

    def _attended(self, x_BHTd: Tensor) -> Tensor:
        rows, heads, frames, dim = x_BHTd.shape
        count = frames // self._window
        windows = x_BHTd.reshape(rows * heads, count, self._window, dim)
        places = torch.arange(frames).reshape(1, count, self._window)
        keys, key_places = self._around(windows, -1.0), self._around(places[..., None], -1)[..., 0]
        scores = torch.einsum("bhie,bhje->bhij", windows, keys) * dim**-0.5
        scores = scores.masked_fill(places[..., None] < key_places[..., None, :], -torch.finfo(scores.dtype).max)
        seen = self._around(torch.ones(rows, frames, dtype=torch.bool).reshape(rows, count, self._window, 1), False)
        seen = seen[..., 0].repeat_interleave(heads, 0)[:, :, None, :]
        weights = scores.masked_fill(~seen, -torch.finfo(scores.dtype).max).softmax(-1)
        return torch.einsum("bhij,bhje->bhie", weights, keys).reshape(rows, heads, frames, dim)

    def _around(self, windows: Tensor, value: float) -> Tensor:
        padded = nn.functional.pad(windows, (0, 0, 0, 0, 1, 0), value=value)
        return torch.cat((padded[:, :-1], padded[:, 1:]), 2)


@torch.no_grad()
def sample(
    denoiser: PlainDenoiser,
    noises: Sequence[Callable[[], Tensor]],
    told: Sequence[Told],
    schedule: Schedule,
    eta: float,
) -> Tensor:
    """(B, T, F): the window of each clip by itself. `eta` 1 draws like the posterior (ancestral), 0 adds no noise."""
    tables = _tables(schedule)
    return torch.cat([_chain(denoiser, noise, one, schedule, tables, eta) for noise, one in zip(noises, told)])


def _chain(
    denoiser: PlainDenoiser, noise: Callable[[], Tensor], told: Told, schedule: Schedule, tables: dict, eta: float
) -> Tensor:
    x = noise()
    for index in reversed(range(len(schedule))):
        step = torch.tensor([index])
        x0 = denoiser(x, torch.tensor(schedule.timesteps)[step], told)
        if eta:
            mean = _of(tables["of_x0"], step, x) * x0 + _of(tables["of_x"], step, x) * x
            x = (
                mean
                + (step != 0).float()[:, None, None] * torch.exp(0.5 * _of(tables["log_variance"], step, x)) * noise()
            )
            continue
        eps = (_of(tables["recip"], step, x) * x - x0) / _of(tables["recip_m1"], step, x)
        before = _of(tables["before"], step, x)
        x = x0 * before.sqrt() + (1 - before).sqrt() * eps
    return x


def _tables(schedule: Schedule) -> dict[str, np.ndarray]:
    level, betas = schedule.alpha_bar, schedule.betas
    before = np.append(1.0, level[:-1])
    variance = betas * (1 - before) / (1 - level)
    return {
        "of_x0": betas * np.sqrt(before) / (1 - level),
        "of_x": (1 - before) * np.sqrt(1 - betas) / (1 - level),
        "log_variance": np.log(np.append(variance[1], variance[1:])),
        "recip": np.sqrt(1 / level),
        "recip_m1": np.sqrt(1 / level - 1),
        "before": before,
    }


def _of(table: np.ndarray, step: Tensor, like: Tensor) -> Tensor:
    """A step's entry of a table, spread over a batch."""
    return torch.from_numpy(table)[step].float()[:, None, None].expand(like.shape)
