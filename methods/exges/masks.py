"""Which parts of a training window are given to the network (ExGes, sec. 3.3 and the training details of sec. 4).

A mask is true where the clean pose is given. It is drawn over tracks: the 55 joints and, as the last one, the path of
the root. Legend: B windows, T frames, E tracks (56), F features of a frame (333).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.methods.exges.config import ControlConfig

TRACKS = N_JOINTS + 1
PATH = N_JOINTS
"""The track of the root's path: its velocity and its height."""
WIDTHS = (6,) * N_JOINTS + (3,)
"""Features of each track."""
NOTHING, JOINTS, FRAMES, TRAJECTORY = range(4)
"""Kinds of masks. Joints: each joint of each frame by itself; frames: whole frames; trajectory: a few tracks over a run
of frames."""
SHORTEST_RUN = 0.5
"""Of a window, the least share that a trajectory covers."""


@dataclass(frozen=True, eq=False)
class MaskDraws:
    """All the chance there is in the masks of a batch, so that they are a function of it and of the rate.

    `kind` (B,) as above; uniform numbers `joint` (B, T, 55), `frame` (B, T), `track` (B, E), and `run` (B, 2), of which
    the first decides how long a trajectory is and the second where it begins; `null` (B,) what is nulled.
    """

    kind: Tensor
    joint: Tensor
    frame: Tensor
    track: Tensor
    run: Tensor
    null: Tensor

    @classmethod
    def of(cls, batch: Mapping[str, Tensor]) -> "MaskDraws":
        """Out of a batch that has `named` in it."""
        return cls(*(batch[f"mask_{name}"] for name in cls.__dataclass_fields__))

    def named(self) -> dict[str, Tensor]:
        return {f"mask_{name}": values for name, values in vars(self).items()}


KEPT, NO_AUDIO, NO_CONTROL = range(3)
"""What is nulled of a window: nothing, its audio, or what is given of its motion."""


def mask_draws(rows: int, frames: int, config: ControlConfig, generator: torch.Generator) -> MaskDraws:
    """For `rows` windows: the share `config.share` is given something, and `config.null_share` is denied either that or
    its audio, never both: where no motion is given anyway, the audio stays.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    kind = kinds(uniform(rows), uniform(rows), config)
    is_nulled, coin = uniform(rows) < config.null_share, uniform(rows) < 0.5
    null = torch.where(is_nulled & (kind != NOTHING), torch.where(coin, NO_AUDIO, NO_CONTROL), KEPT)
    return MaskDraws(
        kind, uniform(rows, frames, N_JOINTS), uniform(rows, frames), uniform(rows, TRACKS), uniform(rows, 2), null
    )


def kinds(given_B: Tensor, which_B: Tensor, config: ControlConfig) -> Tensor:
    """(B,) kinds of masks from two uniform numbers each: whether anything is given, and what."""
    joints, frames, _ = shares(config)
    kind = torch.where(which_B < joints, JOINTS, torch.where(which_B < joints + frames, FRAMES, TRAJECTORY))
    return torch.where(given_B < config.share, kind, NOTHING)


def shares(config: ControlConfig) -> tuple[float, float, float]:
    """Of the windows that are given something, those of each kind; they sum to 1."""
    if config.part_mask == "frames_only":
        return 0.0, 1.0, 0.0
    total = config.joints + config.frames + config.trajectory
    return config.joints / total, config.frames / total, config.trajectory / total


def given_tracks(draws: MaskDraws, rate_B: Tensor) -> Tensor:
    """(B, T, E) bool: what is given at a rate, after nulling. Of equal draws, a lower rate gives a subset."""
    made = {
        JOINTS: _joint_mask(draws.joint, rate_B),
        FRAMES: _smallest(draws.frame, rate_B)[..., None].expand(-1, -1, TRACKS),
        TRAJECTORY: _trajectory_mask(draws, rate_B),
    }
    kind = torch.where(draws.null == NO_CONTROL, NOTHING, draws.kind)[:, None, None]
    mask = torch.zeros_like(made[JOINTS])
    for which, one in made.items():
        mask = mask | (one & (kind == which))
    return mask


def _joint_mask(chance_BTJ: Tensor, rate_B: Tensor) -> Tensor:
    """Bernoulli(r) for each joint of each frame; the path is never part of it."""
    return torch.nn.functional.pad(chance_BTJ < rate_B[:, None, None], (0, 1))


def _trajectory_mask(draws: MaskDraws, rate_B: Tensor) -> Tensor:
    """max(1, round(r E)) tracks over one run of at least half the frames."""
    frames = draws.frame.shape[1]
    least = torch.tensor(SHORTEST_RUN, device=draws.run.device)
    length = (frames * torch.lerp(least, torch.ones_like(least), draws.run[:, 0])).ceil()
    start = (draws.run[:, 1] * (frames - length + 1)).floor()
    place = torch.arange(frames, device=start.device)
    run_BT = (place >= start[:, None]) & (place < (start + length)[:, None])
    return run_BT[..., None] & _smallest(draws.track, rate_B)[:, None]


def _smallest(chance_BN: Tensor, rate_B: Tensor) -> Tensor:
    """(B, N) bool: the max(1, round(r N)) smallest of each row."""
    rank = chance_BN.argsort(-1).argsort(-1)
    return rank < (rate_B * chance_BN.shape[1]).round().clamp(min=1)[:, None]


def feature_mask(mask_BTE: Tensor) -> Tensor:
    """(..., E) -> (..., F): the features of a track are given together."""
    widths = torch.tensor(WIDTHS, device=mask_BTE.device)
    return mask_BTE.repeat_interleave(widths, -1)


def composed(x_t: Tensor, x_0: Tensor, mask: Tensor) -> Tensor:
    """x^_t = m x_0 + (1 - m) x_t (eq. 8): the clean value where it is given, whatever the noise level is."""
    return torch.where(mask.bool(), x_0, x_t)
