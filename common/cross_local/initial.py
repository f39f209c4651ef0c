"""Weights before the first step, for trainings of minutes.

Legend: F features, D width of the network, d channels of a local head.
"""

import torch
from torch import Tensor

from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.rotary import inverse_frequencies

START_WINDOWS = 64
"""Of training, from whose frames principal axes are taken."""
GAIN = 1.5
"""Of motion where it enters, so that in the local attention a frame mostly sees itself."""
MASK_SHARE = 0.1
"""Of the usual weights of a mask beside the motion: it is read less than the motion at first."""
LEAST_SPREAD = 1e-2
"""Of an axis; what hardly varies is not blown up."""


@torch.no_grad()
def along_principal_axes(network: CrossLocalDenoiser, motion_NF: Tensor) -> None:
    """Let motion enter and leave along the principal axes v_k of training frames, of variance l_k: channel k holds
    l_k^(-1/4) v_k . x where it enters, and is worth l_k^(1/4) v_k where it leaves.

    Channels that turn slowly with the position come first, as what turns fast cannot be read without knowing it. From
    the published start, which mixes all features at random, hundreds of steps are spent on finding these axes.
    """
    sizes = network.config
    count = min(sizes.latent, sizes.features, len(motion_NF) - 1)
    mean = motion_NF.mean(0)
    _, lengths, axes = torch.linalg.svd(motion_NF - mean, full_matrices=False)
    scale = (lengths[:count] / len(motion_NF) ** 0.5).clamp(min=LEAST_SPREAD).sqrt()  # l^(1/4)
    channels = slow_first(sizes.latent, sizes.local_heads)[:count]
    enters, leaves = network.input_process.poseEmbedding, network.output_process.poseFinal
    enters.weight[channels, : sizes.features] = axes[:count] / scale[:, None]
    enters.weight[:, sizes.features :] *= MASK_SHARE
    network.input_process2.weight[:, sizes.latent : 2 * sizes.latent] = GAIN * torch.eye(sizes.latent)
    leaves.weight.zero_()
    size = scale.square().mean().sqrt()  # norms in between make it 1
    leaves.weight[:, channels] = (axes[:count] * scale[:, None] * size).T
    leaves.bias.copy_(mean)


def slow_first(width: int, heads: int) -> Tensor:
    """(D,) the channels by how fast rotary positions turn them, the slowest first.

    >>> slow_first(8, 2).tolist()
    [1, 3, 5, 7, 0, 2, 4, 6]
    """
    speed = inverse_frequencies(width // heads).repeat(2).repeat(heads)
    return speed.argsort(stable=True)
