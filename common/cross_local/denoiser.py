"""The cross-local attention network: clean motion from noisy motion, speech, style and seed poses (Yang et al. 2023,
fig. 2). Parameters bear the published names.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.cross_local.config import CrossLocalConfig
from gesturebench.common.cross_local.local_attention import local_attention
from gesturebench.common.cross_local.rotary import rotated_heads
from gesturebench.common.nn.positions import sinusoid

POSITIONS = 5000
"""Rows of the table of diffusion timesteps."""


class _Named(nn.Module):
    """One linear map under the name that published weights give it."""

    def __init__(self, name: str, inputs: int, outputs: int):
        super().__init__()
        self.add_module(name, nn.Linear(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        (linear,) = self.children()
        return linear(x)


class TimestepEmbedding(nn.Module):
    """(B,) timesteps -> (B, D): a row of a table of sinusoids through two linear maps with SiLU between."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("pe", sinusoid(POSITIONS, width), persistent=False)
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t_B: Tensor) -> Tensor:
        return self.time_embed(self.pe[t_B])


class CrossLocalDenoiser(nn.Module):
    """Predicts x0 (B, T, F) from x_t. No weight depends on T, which is a whole number of local windows.

    >>> sizes = CrossLocalConfig(features=6, audio_features=4, styles=2, frames=8, window=4, seed_frames=2, latent=96)
    >>> x, audio = torch.zeros(1, 8, 6), torch.zeros(1, 8, 4)
    >>> CrossLocalDenoiser(sizes)(x, torch.tensor([10]), audio, torch.eye(2)[:1], x[:, :2]).shape
    torch.Size([1, 8, 6])
    """

    def __init__(self, config: CrossLocalConfig):
        super().__init__()
        self.config = config
        width, seen = config.latent, config.features * (1 + config.mask_input)
        flat, is_token = config.features * config.seed_frames, config.attention == 3
        style = config.style_latent if is_token else width
        self.WavEncoder = _Named("audio_feature_map", config.audio_features, config.audio_latent)
        self.input_process = _Named("poseEmbedding", seen, width)
        layer = nn.TransformerEncoderLayer(
            width, config.heads, config.feed_forward, config.dropout, activation="gelu", batch_first=True
        )
        self.seqTransEncoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.embed_timestep = TimestepEmbedding(width)
        self.embed_style = nn.Linear(config.styles, style)
        seed = (flat, width - style) if is_token else (config.features, config.audio_latent)
        self.embed_text = nn.Linear(*seed)
        if config.attention == 5:
            self.embed_text_last = nn.Linear(*seed)
        self.output_process = _Named("poseFinal", width, config.features)
        self.input_process2 = nn.Linear(2 * width + config.audio_latent, width)

    def forward(
        self,
        x_BTF: Tensor,
        t_B: Tensor,
        audio_BTA: Tensor,
        style_BS: Tensor,
        seed_BnF: Tensor,
        *,
        mask_BTF: Tensor | None = None,
        seed_last_BnF: Tensor | None = None,
        drop_style_B: Tensor | None = None,
        drop_seed_B: Tensor | None = None,
        uncond: bool = False,
        mask_local_BT: Tensor | None = None,
    ) -> Tensor:
        """`audio` has `config.audio_frames` frames. `mask` says which entries of x are given, where the network sees
        that (`mask_input`); none are by default. Rows of `drop_style` and `drop_seed` (B,) bool are not told these,
        with `uncond` no row is. `mask_local` (B, T) bool hides frames from the local attention where it is false.
        """
        condition = self.condition(style_BS, seed_BnF, drop_style_B, drop_seed_B, uncond)
        audio = self.hear(audio_BTA, seed_BnF, seed_last_BnF)
        token = condition + self.embed_timestep(t_B)
        pose = self.input_process(self.seen(x_BTF, mask_BTF))
        frames = torch.cat((token[:, None].expand(-1, pose.shape[1], -1), pose, audio), -1)
        return self.refine(self.input_process2(frames), token, mask_local_BT)

    def condition(
        self,
        style_BS: Tensor,
        seed_BnF: Tensor,
        drop_style_B: Tensor | None = None,
        drop_seed_B: Tensor | None = None,
        uncond: bool = False,
    ) -> Tensor:
        """(B, D): what all frames are told. A dropped style is zero, bias included; of a dropped seed, which only
        conditioning 3 can do without, the bias stays."""
        style = self.embed_style(style_BS) * _kept(drop_style_B, style_BS, uncond)
        if self.config.attention != 3:
            return style
        flat = seed_BnF.transpose(1, 2).flatten(1)  # all frames of the first feature come first
        return torch.cat((style, self.embed_text(flat * _kept(drop_seed_B, flat, uncond))), -1)

    def hear(self, audio_BTA: Tensor, seed_BnF: Tensor, seed_last_BnF: Tensor | None = None) -> Tensor:
        """(B, T, L): speech, and in conditioning 4 and 5 poses before and after it."""
        audio = self.WavEncoder(audio_BTA)
        if self.config.attention == 3:
            return audio
        before = [self.embed_text(seed_BnF)]
        after = [self.embed_text_last(seed_last_BnF)] if self.config.attention == 5 else []
        return torch.cat((*before, audio, *after), 1)

    def seen(self, x_BTF: Tensor, mask_BTF: Tensor | None) -> Tensor:
        """Motion as it enters the network."""
        if not self.config.mask_input:
            return x_BTF
        mask = torch.zeros_like(x_BTF) if mask_BTF is None else mask_BTF.to(x_BTF)
        return torch.cat((x_BTF, mask), -1)

    def refine(self, frames_BTD: Tensor, token_BD: Tensor, mask_local_BT: Tensor | None = None) -> Tensor:
        """(B, T, F): local attention among the frames, then a transformer over them and the token."""
        config = self.config
        if mask_local_BT is None:
            mask_local_BT = frames_BTD.new_ones(frames_BTD.shape[:2], dtype=torch.bool)
        turned = rotated_heads(frames_BTD, config.local_heads).unflatten(-1, (config.local_heads, -1)).transpose(1, 2)
        dropout = config.dropout if self.training else 0.0
        local = local_attention(turned, turned, turned, config.window, mask_BT=mask_local_BT, dropout=dropout)
        tokens = torch.cat((token_BD[:, None], local.transpose(1, 2).flatten(2)), 1)
        return self.output_process(self.seqTransEncoder(rotated_heads(tokens, config.local_heads))[:, 1:])


def _kept(drop_B: Tensor | None, like_BC: Tensor, uncond: bool) -> Tensor:
    """(B, 1): 0 where something is dropped."""
    if uncond:
        return like_BC.new_zeros(len(like_BC), 1)
    return like_BC.new_ones(len(like_BC), 1) if drop_B is None else (~drop_B).to(like_BC)[:, None]
