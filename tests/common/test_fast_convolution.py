"""Convolutions as products of matrices are convolutions, for every length, stride and number of channels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from gesturebench.common.codecs.vq_config import ConvConfig
from gesturebench.common.codecs.vq_vae import ConvAutoencoder
from gesturebench.common.nn.fast_convolution import (
    TOOM_COOK,
    Points,
    TiledConvolution,
    UnfoldedConvolution,
    convolution,
    hasten,
)

POINTS = {"toom-cook": TOOM_COOK, "16": Points.circle(16), "32": Points.circle(32), "48": Points.circle(48)}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def numbers(out: int, channels: int, kernel: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights whose outputs are about one, and a bias."""
    return noise(out, channels, kernel, seed=seed) / (channels * kernel) ** 0.5, noise(out, seed=seed + 1)


@pytest.mark.parametrize("name", POINTS)
def test_values_of_two_polynomials_make_their_product(name):
    points = POINTS[name]
    draw, short = np.random.default_rng(0), 3
    a, b = draw.normal(size=short), draw.normal(size=points.count - short + 1)
    products = (points.values(len(a)) @ a) * (points.values(len(b)) @ b)
    np.testing.assert_allclose(points.coefficients() @ products, np.convolve(a, b), atol=1e-12)


@pytest.mark.parametrize(("name", "products"), [("toom-cook", 8), ("16", 23), ("32", 47), ("48", 71)])
def test_there_are_as_many_products_as_stated(name, products):
    """One per real point and three per conjugate pair; a tile of the circle of 48 has 34 outputs of 15 taps: 510
    products, done by 71."""
    assert len(POINTS[name].values(1)) == products


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(POINTS)),
    st.sampled_from([(15, 6), (15, 3), (15, 5), (3, 1), (5, 1)]),
    st.integers(0, 9),
    st.integers(0, 120),
    st.integers(1, 3),
)
def test_tiles_are_the_convolution(name, kernel_stride, padding, longer, batch):
    (kernel, stride), (weight, bias) = kernel_stride, numbers(4, 3, kernel_stride[0])
    x = noise(batch, 3, kernel + longer)
    tiled = TiledConvolution(weight, bias, stride=stride, padding=padding, points=POINTS[name])
    expected = F.conv1d(x.double(), weight.double(), bias.double(), stride, padding)
    torch.testing.assert_close(tiled(x).double(), expected, atol=2e-5, rtol=0)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 7), st.integers(0, 20), st.integers(0, 60), st.integers(1, 3))
def test_rows_of_their_own_are_the_convolution(stride, padding, longer, batch):
    weight, bias = numbers(5, 2, 15)
    x = noise(batch, 2, 15 + longer)
    unfolded = UnfoldedConvolution(weight, bias, stride=stride, padding=padding)
    torch.testing.assert_close(unfolded(x), F.conv1d(x, weight, bias, stride, padding))


@pytest.mark.parametrize(
    ("channels", "out", "kernel", "stride", "padding", "error"),
    [(128, 128, 15, 1, 7, 1e-5), (512, 512, 15, 1, 7, 1e-5), (128, 256, 15, 6, 0, 3e-5), (256, 128, 15, 3, 0, 3e-5)],
)
def test_errors_at_published_widths(channels, out, kernel, stride, padding, error):
    """Beside float64, of outputs up to about six."""
    weight, bias = numbers(out, channels, kernel)
    x = noise(2, channels, 200)
    fast = convolution(weight, bias, stride=stride, padding=padding)
    assert isinstance(fast, TiledConvolution)
    expected = F.conv1d(x.double(), weight.double(), bias.double(), stride, padding)
    assert float((fast(x) - expected).abs().max()) < error


def test_a_sequence_does_not_hear_its_neighbours():
    """But for their rounding, where they share a tile."""
    weight, bias = numbers(64, 64, 15)
    fast, x = convolution(weight, bias, padding=7), noise(3, 64, 100)
    alone = torch.cat([fast(row) for row in x.split(1)])
    loud = torch.stack([x[0], 100 * x[1], x[2]])
    torch.testing.assert_close(fast(x), alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(fast(loud)[::2], alone[::2], atol=1e-3, rtol=0)


def test_channels_lie_innermost_so_that_the_next_one_need_not_turn_them():
    fast = convolution(*numbers(64, 64, 15), padding=7)
    assert fast(noise(2, 64, 50)).stride(1) == 1


def test_all_convolutions_of_a_network_are_replaced_and_it_computes_the_same():
    network = ConvAutoencoder(61, ConvConfig(width=64, layers=2)).eval().requires_grad_(False)
    x = noise(2, 20, 61)
    before = network(x)
    hasten(network)
    kinds = [type(layer) for layer in network.modules()]
    assert torch.nn.Conv1d not in kinds
    assert kinds.count(UnfoldedConvolution) == 13
    torch.testing.assert_close(network(x), before, atol=1e-5, rtol=1e-4)


def test_grouped_convolutions_stay():
    network = torch.nn.Sequential(torch.nn.Conv1d(8, 8, 4, groups=8))
    hasten(network)
    assert isinstance(network[0], torch.nn.Conv1d)
