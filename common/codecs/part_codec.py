"""The four part VAEs of a motion: training one, and encoding and decoding with all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights, save_weights
from gesturebench.common.codecs.config import CodecConfig, PartVAEConfig
from gesturebench.common.codecs.fast_decoding import FastDecoder, decoded
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import RandomWindows, Window
from gesturebench.common.device import device
from gesturebench.common.files import write_json, write_npz
from gesturebench.common.fingerprint import tensors_fingerprint
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.parts import PART_FEATURES, foot_contact, part_features
from gesturebench.common.motion.resample import decimate
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.seeds import seed_of, torch_generator
from gesturebench.common.threads import spread
from gesturebench.common.training import Batch, Losses, train

STORE_FPS = 30
LATENTS = "latents.npz"
SCALE_SAMPLE = 64
"""Windows from which means and scales are taken."""

_PER_FRAME = ("poses", "expressions", "trans")


def part_config(config: CodecConfig, part: str) -> PartVAEConfig:
    if part == "lower" and config.lower_heads:
        return config.vae.model_copy(update={"heads": config.lower_heads})
    return config.vae


def fit_part_vae(config: Mapping[str, Any], context: FitContext) -> None:
    """Train the VAE of `config["part"]` with the codec settings `config["codec"]`; writes weights, latent statistics
    and `quality.json`.
    """
    codec, part = CodecConfig.parse(dict(config["codec"]), "codec"), config["part"]
    windows = PartWindows(context.store, "train", codec)
    sample = windows.batch(part, SCALE_SAMPLE, torch_generator("scale", part, context.seed))
    scale = feature_scale(sample)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("part_vae", part, context.seed))
        vae = PartVAE(part_config(codec, part), PART_FEATURES[part])
    vae.start_at(sample)

    def draw(rows: int, generator: torch.Generator) -> Batch:
        return {"x": windows.batch(part, rows, generator), **drawn_noise(rows, codec, generator)}

    def losses_of(batch: Batch) -> Losses:
        mean, log_variance = vae.posterior(batch["x"])
        z = sampled(mean, log_variance, batch.get("noise"))
        return vae_losses(batch["x"], vae.decode(z), mean, log_variance, scale, codec)

    curve = train(vae, draw, losses_of, codec.training, seed_axes=("part_vae", part, context.seed), context=context)
    save_weights(vae, context.out)
    write_npz(context.out / LATENTS, **latent_statistics(vae.eval(), sample))
    write_json(
        context.out / "quality.json",
        {"feature_variance": scale[0], "explained_at_end": 1 - curve[-1]["reconstruction"]},
    )


@torch.no_grad()
def latent_statistics(vae: PartVAE, x_BTF: Tensor) -> dict[str, np.ndarray]:
    """Mean per channel (D,) and one scale of the posterior means over a sample of windows."""
    z = vae.posterior(x_BTF)[0].flatten(0, 1)
    return {"mean": z.mean(0).numpy(), "scale": (z - z.mean(0)).square().mean().sqrt().numpy()}


def latent(mean: Tensor, log_variance: Tensor, config: CodecConfig, generator: torch.Generator) -> Tensor:
    """The posterior's mean, or a sample mean + exp(log_variance / 2) eps, as configured."""
    if config.posterior == "mean":
        return mean
    return sampled(mean, log_variance, torch.randn(mean.shape, generator=generator).to(mean.device))


def sampled(mean: Tensor, log_variance: Tensor, noise: Tensor | None) -> Tensor:
    """mean + exp(log_variance / 2) noise; the mean where there is no noise."""
    return mean if noise is None else mean + torch.exp(0.5 * log_variance) * noise


def drawn_noise(rows: int, config: CodecConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """The `noise` (rows, K, D) of a training step's posteriors, where latents are sampled."""
    if config.posterior == "mean":
        return {}
    return {"noise": torch.randn(rows, config.frames // config.vae.chunk, config.vae.width, generator=generator)}


def vae_losses(
    x: Tensor, y: Tensor, mean: Tensor, log_variance: Tensor, scale: tuple[float, float, float], c: CodecConfig
) -> Losses:
    """Mean squared errors of features, velocities and accelerations, each over its variance in the data, and KL(N(mean,
    var) | N(0, 1)); in float32 whatever the network computed in.
    """
    error, mean, log_variance = y - x, mean.float(), log_variance.float()
    reconstruction = error.square().mean() / scale[0]
    velocity = error.diff(dim=1).square().mean() / scale[1]
    acceleration = error.diff(n=2, dim=1).square().mean() / scale[2]
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    loss = reconstruction + c.velocity * velocity + c.acceleration * acceleration + c.kl * kl
    return {
        "loss": loss,
        "reconstruction": reconstruction,
        "velocity": velocity,
        "acceleration": acceleration,
        "kl": kl,
    }


class PartWindows:
    """Random windows of a split as part features at the codec's frame rate."""

    def __init__(self, store: ClipStore, split: str, config: CodecConfig):
        self._store, self._step = store, STORE_FPS // config.fps
        self._random = RandomWindows(store, split, config.frames * self._step)
        self._contact: dict[str, np.ndarray] = {}

    def batch(self, part: str, count: int, generator: torch.Generator) -> Tensor:
        """(count, frames, F)."""
        return self.features_of(self.draw(count, generator), (part,))[part]

    def draw(self, count: int, generator: torch.Generator) -> list[Window]:
        return self._random.draw(count, generator)

    def features(self, window: Window, parts: Sequence[str] = PART_NAMES) -> dict[str, Tensor]:
        """(frames, F) of every asked part."""
        return {part: rows[0] for part, rows in self.features_of((window,), parts).items()}

    def features_of(self, windows: Sequence[Window], parts: Sequence[str] = PART_NAMES) -> dict[str, Tensor]:
        """(B, frames, F) of every asked part, of windows of equal length; the frames of all are converted at once."""
        cuts = [self._cut(window) for window in windows]
        whole = replace(cuts[0], **{name: np.concatenate([getattr(cut, name) for cut in cuts]) for name in _PER_FRAME})
        contact = np.concatenate([self._contact_in(window) for window in windows]) if "lower" in parts else None
        features = part_features(whole, contact, parts)
        return {part: rows.unflatten(0, (len(windows), -1)) for part, rows in features.items()}

    def _cut(self, window: Window) -> Motion:
        """The window at the codec's rate. Translation x and z are relative to its first frame already: what the part
        features subtract once more is the zero of the first window."""
        motion = self._store.motion(window.clip_id).cut(window.start, window.start + window.length)
        slow = decimate(motion, STORE_FPS / self._step)
        trans = np.array(slow.trans, dtype=np.float32)
        trans[:, [0, 2]] -= trans[0, [0, 2]]
        return replace(slow, trans=trans)

    def _contact_in(self, window: Window) -> np.ndarray:
        return self._clip_contact(window.clip_id)[window.start : window.start + window.length : self._step]

    def _clip_contact(self, clip_id: str) -> np.ndarray:
        """Foot contact at the codec's rate for every 30 fps frame of a clip, computed once."""
        if clip_id not in self._contact:
            self._contact[clip_id] = foot_contact(self._store.motion(clip_id), self._store.joints, self._step)
        return self._contact[clip_id]


def feature_scale(x_BTF: Tensor) -> tuple[float, float, float]:
    """Variances of features, velocities and accelerations, one scalar each; what the losses are divided by."""
    terms = (x_BTF - x_BTF.mean((0, 1)), x_BTF.diff(dim=1), x_BTF.diff(n=2, dim=1))
    return tuple(float(v.square().mean().clamp(min=1e-8)) for v in terms)


class PartCodecs:
    """The four trained VAEs: part features <-> latents. They live on `device()`; what goes in and comes out is on the
    CPU."""

    def __init__(self, config: CodecConfig, folders: Mapping[str, Path]):
        """`folders` holds the artifact of each part by the part's name."""
        self.config = config
        self._vaes: dict[str, PartVAE] = {}
        self._statistics: dict[str, tuple[Tensor, Tensor]] = {}
        for part, features in PART_FEATURES.items():
            self._vaes[part] = PartVAE(part_config(config, part), features).requires_grad_(False)
            load_weights(self._vaes[part], folders[part])
            self._vaes[part].to(device())
            with np.load(folders[part] / LATENTS) as stored:
                self._statistics[part] = torch.from_numpy(stored["mean"]), torch.from_numpy(stored["scale"])
        self._decoders = {part: FastDecoder(vae) for part, vae in self._vaes.items()}

    def fingerprint(self) -> str:
        """Identity of everything that encoding and decoding depend on beside the configuration."""
        weights = {f"{part} {k}": v for part, vae in self._vaes.items() for k, v in vae.state_dict().items()}
        return tensors_fingerprint(
            weights | {f"{part} statistics": torch.cat([x.view(-1) for x in s]) for part, s in self._statistics.items()}
        )

    @torch.no_grad()
    def posterior(self, part: str, x_BTF: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, K, D) of a part's latents, standardised where the codec says so."""
        mean, log_variance = (y.cpu() for y in self._vaes[part].posterior(x_BTF.to(device())))
        if not self.config.standardise:
            return mean, log_variance
        centre, scale = self._statistics[part]
        return (mean - centre) / scale, log_variance - 2 * scale.log()

    def posteriors(self, features: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """`posterior` of every part; on a CPU with several threads side by side."""
        tasks = [partial(self.posterior, part, features[part]) for part in PART_FEATURES]
        return dict(zip(PART_FEATURES, spread(tasks, device().type), strict=True))

    def encode(self, features: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """(B, T, F) per part -> (B, K, D) per part; the generator is drawn from in the order of the parts."""
        return {part: latent(*pair, self.config, generator) for part, pair in self.posteriors(features).items()}

    @torch.no_grad()
    def decode(self, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, K, D) per part -> (B, K * chunk, F) per part."""
        raw = {part: self._raw(part, latents[part]).to(device()) for part in self._decoders}
        return {part: motion.cpu() for part, motion in decoded(self._decoders, raw).items()}

    def _raw(self, part: str, z: Tensor) -> Tensor:
        centre, scale = self._statistics[part]
        return z * scale + centre if self.config.standardise else z
