"""The start along principal axes: what enters comes out again."""

import pytest
import torch
from torch import Tensor

from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.initial import along_principal_axes, slow_first
from gesturebench.common.cross_local.rotary import angles

SIZES = CrossLocalSizes(frames=8, window=4, seed_frames=2, latent=64, style_latent=16, local_heads=4, layers=1)
N, F, AXES = 2000, 40, 6


@pytest.fixture(scope="module")
def motion() -> Tensor:
    """Frames that vary along six axes, by less and less, and hardly elsewhere."""
    draw = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(F, AXES, generator=draw)).Q.T
    places = torch.randn(N, AXES, generator=draw) * torch.tensor([8.0, 6, 4, 3, 2, 1])
    return 0.5 + places @ axes + 0.01 * torch.randn(N, F, generator=draw)


@pytest.fixture(scope="module")
def network(motion) -> CrossLocalDenoiser:
    network = CrossLocalDenoiser(SIZES.of(features=F, audio_features=3, styles=2, mask_input=True))
    along_principal_axes(network, motion)
    return network


def through(network: CrossLocalDenoiser, x_NF: Tensor) -> Tensor:
    """What is left of motion if all between entrance and exit were the identity."""
    width = network.config.latent
    entered = x_NF @ network.input_process.poseEmbedding.weight[:, :F].T
    mixed = entered @ network.input_process2.weight[:, width : 2 * width].T
    return mixed @ network.output_process.poseFinal.weight.T


@torch.no_grad()
def test_motion_comes_out_as_it_went_in(network, motion):
    x = motion - motion.mean(0)
    assert torch.nn.functional.cosine_similarity(through(network, x), x, dim=1).mean() > 0.99


def test_the_mean_needs_no_learning(network, motion):
    torch.testing.assert_close(network.output_process.poseFinal.bias, motion.mean(0))


def test_slow_channels_come_first():
    order = slow_first(64, 4)
    assert sorted(order.tolist()) == list(range(64))
    turned = angles(2, 16)[1].repeat(4)[order]
    assert (turned.diff() >= 0).all()


def test_fewer_frames_than_channels_are_enough():
    network = CrossLocalDenoiser(SIZES.of(features=F, audio_features=3, styles=2))
    along_principal_axes(network, torch.randn(10, F, generator=torch.Generator().manual_seed(2)))
    assert all(parameter.isfinite().all() for parameter in network.parameters())
