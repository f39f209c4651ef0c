"""Training the autoencoder of FGD on windows of the training split.

Legend: B batch, T frames, C = 330 channels of 55 rotations in 6D.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.seeds import seed_of
from gesturebench.evaluators.fgd_features import rot6d
from gesturebench.evaluators.skeleton_encoder import SkeletonAutoencoder


@dataclass(frozen=True, eq=False)
class Scale:
    """Of the training data: the `mean` (330,), a channel's `variance` averaged over channels, and that of its
    frame-to-frame difference."""

    mean: Tensor
    variance: float
    velocity_variance: float

    @classmethod
    def of(cls, rot6d_BTC: Tensor) -> "Scale":
        return cls(
            rot6d_BTC.mean((0, 1)), rot6d_BTC.var((0, 1)).mean().item(), rot6d_BTC.diff(dim=1).var((0, 1)).mean().item()
        )


def new_autoencoder(seed: int, scale: Scale) -> SkeletonAutoencoder:
    """An untrained network whose weights depend on the seed and the mean pose alone; the global random state is left as
    it was.

    The decoder starts at the mean pose. Were it learnt, latents would saturate meanwhile: 200 steps on the stand-in
    corpus then explained 45 instead of 78 % of the variance, and features hardly varied.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("fgd", "init", seed))
        model = SkeletonAutoencoder()
    with torch.no_grad():
        model.decoder.main[-1].bias.copy_(scale.mean)
    return model


class TrainingWindows:
    """Random windows of the training split, every start equally likely."""

    def __init__(self, store: ClipStore, window: int):
        ids = [clip_id for clip_id in store.split("train") if store.n_frames(clip_id) >= window]
        if not ids:
            raise InputError(
                f"no training clip has {window} frames",
                expected="longer clips in the split 'train'",
                remedy="set a smaller fgd window",
            )
        self.window = window
        self.poses = [store.motion(clip_id).poses for clip_id in ids]
        self.ends = np.cumsum([len(poses) - window + 1 for poses in self.poses])

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """(B, T, 330)."""
        picks = torch.randint(int(self.ends[-1]), (batch,), generator=generator).numpy()
        clips = np.searchsorted(self.ends, picks, side="right")
        # counted back from the clip's last start, which saves an array of first starts
        starts = [len(self.poses[clip]) - self.window + 1 + pick - self.ends[clip] for clip, pick in zip(clips, picks)]
        return rot6d(np.stack([self.poses[clip][start : start + self.window] for clip, start in zip(clips, starts)]))


def reconstruction_losses(
    model: SkeletonAutoencoder, rot6d_BTC: Tensor, scale: Scale, velocity: float
) -> dict[str, Tensor]:
    """Share of the variance that is not reconstructed, of the pose and, `velocity` times, of its frame-to-frame
    difference."""
    error = model(rot6d_BTC) - rot6d_BTC
    losses = {
        "reconstruction": error.square().mean() / scale.variance,
        "velocity": error.diff(dim=1).square().mean() / scale.velocity_variance,
    }
    return {"loss": losses["reconstruction"] + velocity * losses["velocity"], **losses}
