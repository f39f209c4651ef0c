"""Training of the network: noise on the motion of random windows, predict it back, with conditions dropped at random
(Zhang et al. 2023, sec. 3.3). Legend: B rows, T frames, F features, k samples, N tokens, C their width.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.checkpoint import save_weights
from gesturebench.common.diffusion.schedule import add_noise, linear_betas
from gesturebench.common.features.prepared import PreparedWindows
from gesturebench.common.features.sentences import token_width
from gesturebench.common.fitting import FitContext
from gesturebench.common.seeds import seed_of
from gesturebench.common.training import Batch, Losses, train
from gesturebench.methods.remodiffuse.components import AUDIOS, MOTION, TEXTS
from gesturebench.methods.remodiffuse.conditions import Conditions, CorpusTeller
from gesturebench.methods.remodiffuse.config import DroppingConfig, RemodiffuseConfig
from gesturebench.methods.remodiffuse.database import PhraseDatabase
from gesturebench.methods.remodiffuse.denoiser import reconstruction_loss
from gesturebench.methods.remodiffuse.motion import BODY, CONTACT, SIX
from gesturebench.methods.remodiffuse.network import Network
from gesturebench.methods.remodiffuse.samples import Samples
from gesturebench.methods.remodiffuse.training_motion import TrainingMotion
from gesturebench.methods.remodiffuse.windows import TrainingWindows

TRAINING_STEPS = 1000
UNREAD = {"sampling": {"overlap": 1}, "mixture": {"policy": "none"}}
"""What training does not depend on, so that it goes with every setting it does depend on."""


def build_network(config: RemodiffuseConfig) -> Network:
    """The network before its first step; one that retrieves nothing has captions of no width of their own."""
    text = token_width(config.conditions.text)
    return Network(config, text=text, captions=token_width(config.retrieval.text) if config.use_retrieval else text)


def fit_network(values: Mapping[str, Any], context: FitContext) -> None:
    """Train on `values`, the sections that `components.py` lists; upstream holds the motion features, the database and
    what pretrained encoders made of the training split.
    """
    config = RemodiffuseConfig.parse({**values, **UNREAD}, "remodiffuse")
    drawn = Drawing(config, context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("remodiffuse", context.seed))
        network = build_network(config)

    def losses_of(batch: Batch) -> Losses:
        return denoising_losses(network, batch)

    axes = ("remodiffuse", context.seed)
    train(network, drawn.batch, losses_of, config.training, seed_axes=axes, context=context)
    save_weights(network, context.out)


class Drawing:
    """What a training step reads."""

    def __init__(self, config: RemodiffuseConfig, context: FitContext):
        upstream, stride = context.upstream, config.motion.stride
        self._dropping = config.dropping
        self._windows = TrainingWindows(TrainingMotion(upstream[MOTION]), config.motion.frames, stride)
        self._told = CorpusTeller(
            context.store, config.conditions, *(prepared(upstream, name) for name in (TEXTS, AUDIOS))
        )
        self._database = PhraseDatabase.load(config, upstream) if config.use_retrieval else None

    def batch(self, rows: int, generator: torch.Generator) -> Batch:
        """`x0` (B, T, F), `mask` (B, T), `text`, `audio` and `speaker` of `Conditions`, `sample_<part>` of `Samples`,
        and what `diffusion_draws` draws."""
        windows = self._windows.draw(rows, generator)
        x0, mask = self._windows.motion(windows)
        batch = {"x0": x0, "mask": mask, **vars(self._told.batch(windows))}
        if self._database is not None:
            samples = Samples.of(self._database, [self._database.trained(window) for window in windows])
            batch |= {f"sample_{name}": part for name, part in vars(samples).items()}
        return batch | diffusion_draws(x0, self._dropping, generator)


def prepared(upstream: Mapping[str, Path], name: str) -> PreparedWindows | None:
    return PreparedWindows(upstream[name]) if name in upstream else None


def diffusion_draws(x0_BTF: Tensor, dropping: DroppingConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """Of every row its timestep `t` (0 to 999, uniform), its `noise`, and whether it is told of its `speech` and of
    what was retrieved (`retrieval`): each is dropped by itself, as released.
    """
    rows = len(x0_BTF)
    return {
        "t": torch.randint(TRAINING_STEPS, (rows,), generator=generator),
        "noise": torch.randn(x0_BTF.shape, generator=generator),
        "speech": torch.rand(rows, generator=generator) >= dropping.speech,
        "retrieval": torch.rand(rows, generator=generator) >= dropping.retrieval,
    }


def denoising_losses(network: Network, batch: Batch) -> Losses:
    """Mean over true frames of |x0(x_t, t, conditions) - x0|^2 / F, in total (`loss`) and of groups of features."""
    x0, t, mask = batch["x0"], batch["t"], batch["mask"]
    alpha_bar = torch.from_numpy((1 - linear_betas(TRAINING_STEPS)).cumprod()).to(t.device)
    x_t = add_noise(x0, batch["noise"], alpha_bar[t][:, None, None])
    told, samples = Conditions(batch["text"], batch["audio"], batch["speaker"]), None
    if "sample_motion" in batch:
        samples = Samples(*(batch[f"sample_{name}"] for name in ("motion", "mask", "tokens")))
    sees = batch["retrieval"] & (samples is not None)
    predicted = network(x_t, t, told, samples, batch["speech"], sees, mask)
    return {"loss": reconstruction_loss(predicted, x0, mask), **_by_group(predicted.detach(), x0, mask)}


@torch.no_grad()
def _by_group(predicted_BTF: Tensor, x0_BTF: Tensor, mask_BT: Tensor) -> dict[str, Tensor]:
    """The loss of a few features that differ in kind; rotations are nearly all of the whole."""
    groups = {"root": slice(SIX.stop, CONTACT.start), "contact": CONTACT, "face": slice(BODY, None)}
    there = {name: columns for name, columns in groups.items() if x0_BTF[..., columns].shape[-1]}
    return {
        name: reconstruction_loss(predicted_BTF[..., columns], x0_BTF[..., columns], mask_BT)
        for name, columns in there.items()
    }
