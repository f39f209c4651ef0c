"""Training of the denoiser: noise on the latents of random windows, predict them back (Mughal et al. 2025, eq. 3)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.codecs.latent_windows import LatentWindows
from gesturebench.common.codecs.part_codec import PartCodecs
from gesturebench.common.device import device
from gesturebench.common.diffusion.schedule import add_noise, scaled_linear_betas
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.training import Losses, train
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.config import RagGestureConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser
from gesturebench.methods.rag_gesture.layout import TokenLayout

TRAINING_STEPS = 1000


def build_denoiser(config: RagGestureConfig) -> tuple[Denoiser, TokenLayout]:
    layout = TokenLayout(config.codec.frames // config.codec.vae.chunk)
    text, audio = conditions.widths(config.conditions)
    positions = config.conditions.positions
    return Denoiser(
        config.denoiser, layout, latent=config.codec.vae.width, text=text, audio=audio, positions=positions
    ), layout


def fit_denoiser(values: Mapping[str, Any], context: FitContext) -> None:
    """Train on `values` (the sections codec, denoiser, conditions, training); upstream holds the part VAEs by
    `vae_<part>`.
    """
    config = RagGestureConfig.parse(dict(values), "rag_gesture")
    codecs = PartCodecs(config.codec, {part: context.upstream[f"vae_{part}"] for part in PART_NAMES})
    windows = LatentWindows(context.store, "train", codecs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        denoiser, layout = build_denoiser(config)
    alpha_bar = torch.from_numpy((1 - scaled_linear_betas(TRAINING_STEPS)).cumprod())

    def losses_of(rows: int, generator: torch.Generator) -> Losses:
        drawn = windows.draw(rows, generator)
        told = conditions.stored(context.store, drawn, config.conditions).to(device())
        x0 = layout.join(windows.latents(drawn, generator)).to(device())
        return denoising_losses(denoiser, layout, x0, told, alpha_bar, config.denoiser.drop, generator)

    axes = ("denoiser", context.seed)
    train(denoiser, losses_of, config.training, seed_axes=axes, context=context)
    save_weights(denoiser, context.out)


def denoising_losses(
    denoiser: Denoiser,
    layout: TokenLayout,
    x0: Tensor,
    told: Conditions,
    alpha_bar: Tensor,
    drop: float,
    generator: torch.Generator,
) -> Losses:
    """Mean squared error of the predicted x0 over latents (separators do not count), in total and per part."""
    rows = len(x0)
    t = torch.randint(len(alpha_bar), (rows,), generator=generator)
    noise = torch.randn(x0.shape, generator=generator).to(x0.device)
    keep = (torch.rand(rows, generator=generator) >= drop).to(x0.device)
    x_t = add_noise(x0, noise, alpha_bar[t][:, None, None].to(x0.device))
    t = t.to(x0.device)
    error = (denoiser(x_t, denoiser.styles(t), denoiser.answers(told, keep)) - x0).square().mean(-1)
    mask = layout.mask().to(x0.device)
    parts = {part: error[:, layout.part(part)].mean() for part in PART_NAMES}
    return {"loss": (error * mask).sum() / (mask.sum() * rows), **parts}
