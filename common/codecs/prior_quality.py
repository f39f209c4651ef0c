"""What a trained prior keeps of motion, and how much of its codebook it uses.

Legend: B windows, T frames, F features of a part.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.posed_body import FaceDifferences
from gesturebench.common.codecs.posed_joints import PosedJoints
from gesturebench.common.codecs.prior_losses import (
    geodesic,
    rotations_alone,
    rotations_in,
    translation_of,
    velocity,
)
from gesturebench.common.codecs.prior_windows import CONTACT, EXPRESSIONS, TRANSLATION, PriorWindows
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window, laid_out
from gesturebench.common.motion.skeleton import PART_JOINTS

HELD_OUT, SEEN = "val", "train"
LOOKED_AT = {HELD_OUT: 128, SEEN: 512}
"""Windows at most, evenly spread."""
BATCH = 64
AT_ONCE = 4
"""Windows whose points are compared at a time: those of faces fill memory."""


@torch.no_grad()
def part_quality(codec: VQVAE, part: str, store: ClipStore, frames: int) -> dict[str, Any]:
    """`reconstruction` of windows of the validation split (of the training split, where it has none) and `codebook`,
    what training windows use of it."""
    split, held_out = _windows(store, HELD_OUT, frames)
    source = PriorWindows(store, split, frames)
    x, betas = source.features(held_out, (part,))[part], source.betas(held_out)
    y = torch.cat([codec.decode_indices(codec.indices(rows)) for rows in x.split(BATCH)])
    seen = PriorWindows(store, SEEN, frames).features(_windows(store, SEEN, frames)[1], (part,))[part]
    index = torch.cat([codec.indices(rows) for rows in seen.split(BATCH)])
    return {
        "reconstruction": {"split": split, "windows": len(held_out), **reconstruction(part, y, x, betas, store)},
        "codebook": codebook_usage(index, codec.config.codes),
    }


@torch.no_grad()
def reconstruction(part: str, y: Tensor, x: Tensor, betas: Tensor, store: ClipStore) -> dict[str, float]:
    """`explained` variance; mean `rotation_deg`; mean `point_mm`, how far off the joints or, of the face,
    the vertices are that it can move; of the lower body the share of right `contact`."""
    turned = [rotations_in(features, len(PART_JOINTS[part])) for features in (y, x)]
    found = {
        "explained": explained(*(_proper(part, features) for features in (y, x))),
        "rotation_deg": float(torch.rad2deg(geodesic(*turned).mean())),
        "point_mm": 1000 * float(_distances(part, y, x, betas, store).mean()),
    }
    return found | ({"contact": _agreement(y, x)} if part == "lower" else {})


def _proper(part: str, features: Tensor) -> Tensor:
    """What features say: entries of rotation matrices, of the face expressions too. 6D rotations that are decoded have
    no unit length, and the translation of the lower body is not trained."""
    turned = rotations_in(features, len(PART_JOINTS[part])).flatten(2)
    return torch.cat((turned, features[..., EXPRESSIONS]), -1) if part == "face" else turned


def _distances(part: str, y: Tensor, x: Tensor, betas: Tensor, store: ClipStore) -> Tensor:
    """(B,) mean distance of points in metres, a few windows at a time."""
    away = _face_distances(store) if part == "face" else _joint_distances(store, part)
    rows = zip(y.split(AT_ONCE), x.split(AT_ONCE), betas.split(AT_ONCE), strict=True)
    return torch.cat([away(*some).flatten(1).mean(1) for some in rows])


def _face_distances(store: ClipStore) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    vertices = FaceDifferences(store.face)
    return lambda y, x, betas: vertices(*_face(y), *_face(x), betas).norm(dim=2)


def _face(features: Tensor) -> tuple[Tensor, Tensor]:
    return rotations_in(features, 1)[:, :, 0], features[..., EXPRESSIONS]


def _joint_distances(store: ClipStore, part: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    body, joints = PosedJoints(store.joints, part), len(PART_JOINTS[part])
    return lambda y, x, betas: (body(rotations_in(y, joints), betas) - body(rotations_in(x, joints), betas)).norm(
        dim=-1
    )


@torch.no_grad()
def global_quality(network: ConvAutoencoder, store: ClipStore, frames: int) -> dict[str, Any]:
    """Of windows of the validation split (of the training split, where it has none): mean distance from the true place
    `place_mm`, mean error of the speed in x and z `speed_mm_s`, share of right `contact`."""
    split, windows = _windows(store, HELD_OUT, frames)
    x = PriorWindows(store, split, frames).features(windows, ("lower",))["lower"]
    y, trans = network(rotations_alone(x)), x[..., TRANSLATION]
    away = translation_of(y, trans[:, 0, [0, 2]]) - trans
    slower = (y[..., TRANSLATION] - velocity(trans))[..., [0, 2]]
    measured = {
        "place_mm": 1000 * float(away.norm(dim=-1).mean()),
        "speed_mm_s": 1000 * float(slower.norm(dim=-1).mean()),
        "contact": _agreement(y, x),
    }
    return {"reconstruction": {"split": split, "windows": len(windows), **measured}}


def codebook_usage(index: Tensor, codes: int) -> dict[str, Any]:
    """How often each code stands for a frame (`counts`), how many never do (`dead`), and the `perplexity`
    exp(-sum p ln p) of the codes: that many equally frequent ones would be as varied.

    >>> codebook_usage(torch.tensor([0, 0, 3, 3]), 4)
    {'codes': 4, 'used': 2, 'dead': 2, 'perplexity': 2.0, 'counts': [2, 0, 0, 2]}
    """
    counts = np.bincount(index.flatten().numpy(), minlength=codes)
    used = counts[counts > 0]
    p = used / used.sum()
    return {
        "codes": codes,
        "used": len(used),
        "dead": codes - len(used),
        "perplexity": float(np.exp(-(p * np.log(p)).sum())),
        "counts": counts.tolist(),
    }


def explained(y: Tensor, x: Tensor) -> float:
    """1 - the error's mean square over the variance of the features around their means; 1 where nothing varies and
    nothing is wrong."""
    error, variance = float((y - x).square().mean()), float((x - x.mean((0, 1))).square().mean())
    return 1 - error / max(variance, 1e-12)


def _agreement(y: Tensor, x: Tensor) -> float:
    return float(((y[..., CONTACT] > 0.5) == (x[..., CONTACT] > 0.5)).float().mean())


def _windows(store: ClipStore, split: str, frames: int) -> tuple[str, Sequence[Window]]:
    """The split, or training where it has no window, and windows in a row of it."""
    found = laid_out(store, split, frames, frames)
    if not found:
        return _windows(store, SEEN, frames)
    return split, found[:: -(-len(found) // LOOKED_AT[split])]
