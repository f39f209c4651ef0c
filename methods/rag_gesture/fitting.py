"""Training of the denoiser: noise on the latents of random windows, predict them back (Mughal et al. 2025, eq. 3).

Legend: B rows, T tokens, L latent width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.codecs.latent_windows import LatentWindows
from gesturebench.common.codecs.part_codec import PartCodecs
from gesturebench.common.diffusion.schedule import add_noise, scaled_linear_betas
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.training import Batch, Losses, train
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.condition_features import FEATURES, SPLIT
from gesturebench.methods.rag_gesture.config import PartWeights, RagGestureConfig
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
    `vae_<part>`, and the windows as pretrained encoders read them if there are any.
    """
    config = RagGestureConfig.parse(dict(values), "rag_gesture")
    codecs = PartCodecs(config.codec, {part: context.upstream[f"vae_{part}"] for part in PART_NAMES})
    windows = LatentWindows(context.store, SPLIT, codecs, stride=config.denoiser.window_stride)
    prepared = PreparedWindows(context.upstream[FEATURES]) if config.conditions.encoding else None
    source = conditions.training_windows(context.store, config, prepared) or windows
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        denoiser, layout = build_denoiser(config)

    def draw(rows: int, generator: torch.Generator) -> Batch:
        drawn = source.draw(rows, generator)
        told = conditions.stored(context.store, drawn, config.conditions, prepared)
        x0 = layout.join(windows.latents(drawn, generator))
        return {"x0": x0, **vars(told), **diffusion_draws(x0, config.denoiser.drop, generator)}

    def losses_of(batch: Batch) -> Losses:
        return denoising_losses(denoiser, batch, config.denoiser.part_weights)

    axes = ("denoiser", context.seed)
    train(denoiser, draw, losses_of, config.training, seed_axes=axes, context=context)
    save_weights(denoiser, context.out)


def diffusion_draws(x0_BTL: Tensor, drop: float, generator: torch.Generator) -> dict[str, Tensor]:
    """Of every row its timestep `t` (0 to 999, uniform), its `noise`, and `keep`: False with probability `drop`.

    Released code draws an integer from 0 to 99 and drops the conditions where it is a multiple of ten: ten of a
    hundred, the same distribution as `drop` = 0.1.
    """
    rows = len(x0_BTL)
    t = torch.randint(TRAINING_STEPS, (rows,), generator=generator)
    noise = torch.randn(x0_BTL.shape, generator=generator)
    return {"t": t, "noise": noise, "keep": torch.rand(rows, generator=generator) >= drop}


def denoising_losses(denoiser: Denoiser, batch: Batch, part_weights: PartWeights) -> Losses:
    """Mean over latents of w |x0(x_t, t, conditions) - x0|^2 / L, in total (`loss`) and without w for each part.

    w is the weight of the token's part; separators do not count. The sum is divided by the number of latents, not by
    that of their weights, as released. The batch holds `x0` (B, T, L), the conditions and what `diffusion_draws` draws.
    """
    layout, x0, t = denoiser.layout, batch["x0"], batch["t"]
    alpha_bar = torch.from_numpy((1 - scaled_linear_betas(TRAINING_STEPS)).cumprod()).to(t.device)
    x_t = add_noise(x0, batch["noise"], alpha_bar[t][:, None, None])
    told = Conditions(batch["text"], batch["audio"], batch["speaker"])
    error = (denoiser(x_t, denoiser.styles(t), denoiser.answers(told, batch["keep"])) - x0).square().mean(-1)
    parts = {part: error[:, layout.part(part)].mean() for part in PART_NAMES}
    weighted = error * token_weights(layout, part_weights).to(x0.device)
    return {"loss": weighted.sum() / (layout.mask().sum().to(x0.device) * len(x0)), **parts}


def token_weights(layout: TokenLayout, weights: PartWeights) -> Tensor:
    """(T,): of each latent the weight of its part, 0 at separators."""
    tokens = torch.zeros(layout.tokens)
    for part in PART_NAMES:
        tokens[layout.part(part)] = getattr(weights, part)
    return tokens
