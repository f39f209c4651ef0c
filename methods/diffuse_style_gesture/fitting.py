"""Training of the denoiser: clean motion from noisy motion, speech, style and seed poses (Yang et al. 2023, sec. 3.2).

Legend: B windows, T frames, F features, A audio features, S styles.
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
from gesturebench.common.cross_local.pose_features import SIX, WIDTH, pose_width
from gesturebench.common.cross_local.speech import CorpusSpeech, speech_width
from gesturebench.common.cross_local.training_poses import TrainingPoses
from gesturebench.common.diffusion.schedule import add_noise
from gesturebench.common.fitting import FitContext
from gesturebench.common.seeds import seed_of, torch_generator
from gesturebench.common.training import Batch, Losses, train
from gesturebench.methods.diffuse_style_gesture.components import POSES, SPEECH
from gesturebench.methods.diffuse_style_gesture.config import DiffuseStyleGestureConfig


def build_network(config: DiffuseStyleGestureConfig) -> CrossLocalDenoiser:
    """The denoiser before its first step."""
    features = pose_width(config.differences)
    sizes = config.network.of(features=features, audio_features=speech_width(config.speech), styles=config.styles)
    return CrossLocalDenoiser(sizes)


def fit_network(values: Mapping[str, Any], context: FitContext) -> None:
    """Train on `values`, all sections but `sampling`; upstream holds pose features, and speech where an encoder is
    heard."""
    config = DiffuseStyleGestureConfig.parse(dict(values), "diffuse_style_gesture")
    drawn = drawing(config, context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("diffuse_style_gesture", context.seed))
        network = build_network(config)
    if config.initial == "principal":
        generator = torch_generator("diffuse_style_gesture", "initial", context.seed)
        along_principal_axes(network, drawn.motion(START_WINDOWS, generator))

    def losses_of(batch: Batch) -> Losses:
        return denoising_losses(network, batch)

    axes = ("diffuse_style_gesture", context.seed)
    train(network, drawn.batch, losses_of, config.training, seed_axes=axes, context=context)
    save_weights(network, context.out)


def drawing(config: DiffuseStyleGestureConfig, context: FitContext) -> Drawing:
    """What a training step reads."""
    poses = TrainingPoses(context.upstream[POSES], config.differences)
    speech = CorpusSpeech(context.store, config.speech, context.upstream.get(SPEECH))
    return Drawing(config.network, config.styles, context.store, poses, speech)


def denoising_losses(network: CrossLocalDenoiser, batch: Batch) -> Losses:
    """Smooth L1 between predicted and true x0 over all entries (`loss`), of the rotations and of the root alone."""
    x0, t, sizes = batch["x0"], batch["t"], network.config
    alpha_bar = torch.from_numpy((1 - cosine_betas()).cumprod()).to(t.device)
    x_t = add_noise(x0, batch["noise"], alpha_bar[t][:, None, None])
    audio = batch["audio"] if sizes.attention == 3 else batch["audio"][:, sizes.seed_frames :]
    drops = {"drop_style_B": batch["drop_style"], "drop_seed_B": batch["drop_seed"]}
    predicted = network(x_t, t, audio, batch["style"], x0[:, : sizes.seed_frames], **drops)
    groups = {"loss": slice(None), "rotations": SIX, "root": slice(SIX.stop, WIDTH)}
    return {name: _mean_loss(predicted[..., columns], x0[..., columns]) for name, columns in groups.items()}


def _mean_loss(predicted_BTF: Tensor, x0_BTF: Tensor) -> Tensor:
    return masked_smooth_l1(predicted_BTF, x0_BTF, torch.ones_like(x0_BTF[..., 0])).mean()
