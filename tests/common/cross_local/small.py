"""A small denoiser and what it is told."""

import torch

from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser

SIZES = CrossLocalSizes(
    frames=20, seed_frames=4, window=5, latent=48, audio_latent=6, style_latent=16, layers=2, local_heads=4,
    feed_forward=32, dropout=0.0,
)  # fmt: skip
FEATURES, AUDIO, STYLES, ROWS = 7, 5, 3, 3


def network(attention: int = 3, mask_input: bool = False, **sizes) -> CrossLocalDenoiser:
    torch.manual_seed(0)
    config = SIZES.updated({"attention": attention, **sizes})
    widths = {"features": FEATURES, "audio_features": AUDIO, "styles": STYLES}
    built = CrossLocalDenoiser(config.of(**widths, mask_input=mask_input)).eval().requires_grad_(False)
    for layer in built.seqTransEncoder.layers:
        for bias in layer.self_attn.in_proj_bias, layer.self_attn.out_proj.bias:
            bias.normal_()  # they start at zero
    return built


def told(attention: int = 3, frames: int = SIZES.frames) -> dict[str, torch.Tensor]:
    """Audio, style and seed by the names of the arguments."""
    draw = torch.Generator().manual_seed(1)
    heard = frames - SIZES.seed_frames * (attention - 3)
    found = {
        "audio_BTA": torch.randn(ROWS, heard, AUDIO, generator=draw),
        "style_BS": torch.eye(STYLES)[:ROWS],
        "seed_BnF": torch.randn(ROWS, SIZES.seed_frames, FEATURES, generator=draw),
    }
    last = torch.randn(ROWS, SIZES.seed_frames, FEATURES, generator=draw)
    return found | ({"seed_last_BnF": last} if attention == 5 else {})


def noisy(frames: int = SIZES.frames) -> torch.Tensor:
    return torch.randn(ROWS, frames, FEATURES, generator=torch.Generator().manual_seed(2))
