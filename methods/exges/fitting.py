"""Training of the denoiser: clean motion from noisy motion of which parts are given (ExGes, sec. 3.3).

Legend: B windows, T frames, n seed frames, F features, A audio features, S styles.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.diffusion import cosine_betas
from gesturebench.common.cross_local.drawing import Drawing
from gesturebench.common.cross_local.initial import START_WINDOWS, along_principal_axes
from gesturebench.common.cross_local.losses import masked_smooth_l1
from gesturebench.common.cross_local.pose_features import WIDTH
from gesturebench.common.cross_local.speech import CorpusSpeech, speech_width
from gesturebench.common.cross_local.training_poses import TrainingPoses
from gesturebench.common.diffusion.schedule import add_noise
from gesturebench.common.fitting import FitContext
from gesturebench.common.seeds import seed_of, torch_generator
from gesturebench.common.training import PROGRESS, Batch, Losses, train
from gesturebench.methods.exges.components import POSES, SPEECH
from gesturebench.methods.exges.config import ControlConfig, ExgesConfig
from gesturebench.methods.exges.curriculum import observed_rate
from gesturebench.methods.exges.masks import NO_AUDIO, MaskDraws, composed, feature_mask, given_tracks, mask_draws


def build_network(config: ExgesConfig) -> CrossLocalDenoiser:
    """The denoiser before its first step; with control it sees the mask beside the motion."""
    widths = {"features": WIDTH, "audio_features": speech_width(config.speech), "styles": config.styles}
    return CrossLocalDenoiser(config.network.of(**widths, mask_input=config.control.training))


def fit_network(values: Mapping[str, Any], context: FitContext) -> None:
    """Train on `values` (the sections network, speech, styles, initial, control, training); upstream holds pose
    features, and speech where an encoder is heard."""
    config = ExgesConfig.parse(dict(values), "exges")
    drawn = ControlledDrawing(config, context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("exges", context.seed))
        network = build_network(config)
    if config.initial == "principal":
        along_principal_axes(network, drawn.motion(START_WINDOWS, torch_generator("exges", "start", context.seed)))

    def losses_of(batch: Batch) -> Losses:
        return denoising_losses(network, batch, config.control)

    axes = ("exges", context.seed)
    train(network, drawn.batch, losses_of, config.training, seed_axes=axes, context=context)
    save_weights(network, context.out)


class ControlledDrawing(Drawing):
    """Beside what every training of the network draws, what each window is given."""

    def __init__(self, config: ExgesConfig, context: FitContext):
        poses = TrainingPoses(context.upstream[POSES])
        speech = CorpusSpeech(context.store, config.speech, context.upstream.get(SPEECH))
        super().__init__(config.network, config.styles, context.store, poses, speech)
        self._config = config

    def batch(self, rows: int, generator: torch.Generator) -> Batch:
        """And what `mask_draws` draws."""
        batch, control = super().batch(rows, generator), self._config.control
        if control.training:
            batch |= mask_draws(rows, self._config.network.frames, control, generator).named()
        return batch


def denoising_losses(network: CrossLocalDenoiser, batch: Batch, control: ControlConfig) -> Losses:
    """Smooth L1 between predicted and true x0, given entries weighed by `control.observed_weight`; and, with control,
    the error of the entries that were `given` and of those `hidden`, and the share that was given."""
    x0, t, audio = batch["x0"], batch["t"], batch["audio"]
    alpha_bar = torch.from_numpy((1 - cosine_betas()).cumprod()).to(t.device)
    x_t = add_noise(x0, batch["noise"], alpha_bar[t][:, None, None])
    mask = weight = None
    if control.training:
        draws = MaskDraws.of(batch)
        mask = feature_mask(given_tracks(draws, observed_rate(batch[PROGRESS], control)))
        x_t, audio = composed(x_t, x0, mask), audio * (draws.null != NO_AUDIO)[:, None, None]
        weight = torch.where(mask, control.observed_weight, 1.0)
    seed = x0[:, : network.config.seed_frames]
    drops = {"drop_style_B": batch["drop_style"], "drop_seed_B": batch["drop_seed"]}
    predicted = network(x_t, t, audio, batch["style"], seed, mask_BTF=mask, **drops)
    loss = masked_smooth_l1(predicted, x0, torch.ones_like(x0[..., 0]), weight).mean()
    return {"loss": loss, **({} if mask is None else _by_mask(predicted.detach(), x0, mask))}


@torch.no_grad()
def _by_mask(predicted_BTF: Tensor, x0_BTF: Tensor, mask_BTF: Tensor) -> dict[str, Tensor]:
    gap = torch.nn.functional.smooth_l1_loss(predicted_BTF, x0_BTF, reduction="none")
    given, hidden = ((gap * which).sum() / which.sum().clamp(min=1) for which in (mask_BTF, ~mask_BTF))
    return {"given": given, "hidden": hidden, "share_given": mask_BTF.float().mean()}
