"""Convolutions of fixed weights along time, as products of matrices, with a third of the multiplications or less.

Tiles of m outputs of y_t = sum_k w_k x_(t+k), k < r, are A [(G w) * (B x)] of n = m + r - 1 inputs (Winograd 1980;
Lavin & Gray 2016). G and A^T evaluate polynomials at n points; a point takes one product, a pair of conjugate points
three, instead of m r in all. Points on the unit circle make B a Fourier transform: as exact as the sum itself. A few
small real points (Toom-Cook) cost less where there are few taps, and lose a digit.

Each product is one of matrices, (tiles, C) by (C, O), which is what processors do best. With a stride of s, rows of s
samples and C channels take the place of samples, and r = K / s.

Legend: B batch, C channels in, O channels out, S samples in, T out, K kernel, P products.
"""

from dataclasses import dataclass
from math import ceil
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.nn.packed import PADDING, packed

AT_ONCE, FEWEST_TILES = 1 << 20, 32
"""As many tiles are worked on at once as have products of so many numbers, which stay in the cache; at least so
many."""
FEWEST_CHANNELS, FEWEST_SAMPLES = 64, 5
"""With fewer channels products are too small, and with fewer samples in the kernel they are not much fewer."""
FEW_TAPS, FEW_CHANNELS = 5, 256
"""Up to which real points, and 48 instead of 32 on the circle, were measured to be best."""


@dataclass(frozen=True)
class Points:
    """Where polynomials are evaluated; 1 is among the real ones."""

    reals: tuple[float, ...]
    order: int = 0
    """Besides: the roots of unity of this even order that are not real."""
    infinity: bool = False
    """Besides: the highest coefficient."""

    @classmethod
    def circle(cls, order: int) -> Self:
        """All roots of unity of an even order."""
        return cls((1.0, -1.0), order)

    @property
    def count(self) -> int:
        return len(self.reals) + max(self.order - 2, 0) + self.infinity

    def values(self, coefficients: int) -> np.ndarray:
        """(P, coefficients) float64: what of a polynomial is multiplied: values at reals; of a conjugate pair the real
        part, the imaginary part and their sum; the highest coefficient."""
        power = np.arange(coefficients)
        angle = 2 * np.pi * np.outer(np.arange(1, self.order // 2), power) / max(self.order, 1)
        pairs = np.stack([np.cos(angle), np.sin(angle), np.cos(angle) + np.sin(angle)], 1).reshape(-1, coefficients)
        highest = np.eye(coefficients)[-1:] if self.infinity else np.empty((0, coefficients))
        return np.concatenate([np.power.outer(np.array(self.reals), power), pairs, highest])

    def coefficients(self) -> np.ndarray:
        """(n, P) float64: products of two polynomials' `values` -> the coefficients of their product."""
        values, products = self.values(self.count), np.eye(len(self.values(1)))
        first, last = len(self.reals), len(products) - self.infinity
        real, imaginary, both = (products[first + k : last : 3] for k in range(3))
        pairs = np.stack([real - imaginary, both - real - imaginary], 1).reshape(-1, len(products))
        known = values[first:last].reshape(-1, 3, self.count)[:, :2].reshape(-1, self.count)
        rows = (np.concatenate([x[:first], y, x[last:]]) for x, y in ((values, known), (products, pairs)))
        return np.linalg.solve(*rows)


TOOM_COOK = Points((1.0, 0.0, -1.0, 2.0, -2.0, 0.5, -0.5), infinity=True)


class TiledConvolution(nn.Module):
    """`nn.Conv1d` of weights (O, C, K) with zero padding, (B, C, S) -> (B, O, T); channels lie innermost in what it
    returns, and best in what it is given.

    >>> weight, x = torch.randn(8, 4, 15), torch.randn(2, 4, 100)
    >>> y = TiledConvolution(weight, torch.zeros(8), stride=1, padding=7, points=Points.circle(32))(x)
    >>> torch.allclose(y, nn.functional.conv1d(x, weight, padding=7), atol=1e-4)
    True
    """

    @torch.no_grad()
    def __init__(self, weight_OCK: Tensor, bias_O: Tensor, *, stride: int, padding: int, points: Points):
        super().__init__()
        _, _, self._kernel = weight_OCK.shape
        self._stride, self._padding, self._taps = stride, padding, ceil(self._kernel / stride)
        self._inputs, self._outputs = points.count, points.count - self._taps + 1
        self._one = points.reals.index(1.0)
        # to correlate with w is the transpose of to multiply by w: coefficients go in, values come out
        self._keep("into", points.coefficients().T)
        self._keep("back", points.values(self._outputs).T)
        whole = nn.functional.pad(weight_OCK.double(), (0, self._taps * stride - self._kernel))
        taps = whole.unflatten(-1, (self._taps, stride)).permute(2, 3, 1, 0).flatten(1, 2)
        self._keep("weight", torch.einsum("pr,rco->pco", torch.from_numpy(points.values(self._taps)), taps))
        self._keep("bias", bias_O)

    def _keep(self, name: str, x: Tensor | np.ndarray) -> None:
        """Rows of whole pages would compete for the same lines of the cache (`common/nn/packed.py`)."""
        x = torch.as_tensor(x)
        laid = torch.zeros(*x.shape[:-1], x.shape[-1] + PADDING)[..., : x.shape[-1]]
        self.register_buffer(name, laid.copy_(x), persistent=False)

    def forward(self, x_BCS: Tensor) -> Tensor:
        batch, samples = len(x_BCS), x_BCS.shape[-1]
        steps = (samples + 2 * self._padding - self._kernel) // self._stride + 1
        rows = max(steps, ceil((samples + self._padding) / self._stride))
        tiles = self._tiles(x_BCS.mT, rows)
        y = x_BCS.new_empty(len(tiles), self._outputs, len(self.bias))
        at_once = max(FEWEST_TILES, AT_ONCE // (len(self.weight) * max(self.weight.shape[1:])))
        for first in range(0, len(tiles), at_once):
            self._multiply(tiles[first : first + at_once], y[first : first + at_once])
        return y.flatten(0, 1)[: batch * rows].unflatten(0, (batch, rows))[:, :steps].mT

    def _tiles(self, x_BSC: Tensor, rows: int) -> Tensor:
        """(tiles, n, s C): overlapping views of one stream of rows: one sequence after another, each behind its zeros,
        which are those behind the one before, too."""
        batch, samples, channels = x_BSC.shape
        width, count = self._stride * channels, ceil(batch * rows / self._outputs)
        stream = x_BSC.new_empty(count * self._outputs + self._taps + ceil(self._padding / self._stride), width)
        stream[batch * rows :] = 0
        before, own, behind = (
            stream[: batch * rows].view(batch, -1, channels).tensor_split((self._padding, self._padding + samples), 1)
        )
        before[:], own[:], behind[:] = 0, x_BSC, 0
        return stream.as_strided((count, self._inputs, width), (self._outputs * width, width, 1))

    def _multiply(self, tiles: Tensor, y: Tensor) -> None:
        x = torch.bmm(self.into.expand(len(tiles), -1, -1), tiles)
        products = torch.bmm(x.transpose(0, 1), self.weight)
        products[self._one] += self.bias  # that product is in every output, once
        torch.bmm(self.back.expand(len(tiles), -1, -1), products.transpose(0, 1), out=y)


class UnfoldedConvolution(nn.Module):
    """The same for few channels or short kernels: what an output sees is copied into a row of its own."""

    @torch.no_grad()
    def __init__(self, weight_OCK: Tensor, bias_O: Tensor, *, stride: int, padding: int):
        super().__init__()
        self._kernel, self._stride, self._padding = weight_OCK.shape[-1], stride, padding
        rows = torch.cat((weight_OCK.permute(2, 1, 0).flatten(0, 1), bias_O[None])).float()
        self.register_buffer("weight", packed(rows.t()).weight_KN, persistent=False)

    def forward(self, x_BCS: Tensor) -> Tensor:
        x = nn.functional.pad(x_BCS.mT, (0, 0, self._padding, self._padding))
        seen = x.unfold(1, self._kernel, self._stride).mT
        rows = x.new_ones(*seen.shape[:2], len(self.weight))  # the bias is the weight of a one
        rows[..., :-1].unflatten(-1, seen.shape[2:])[:] = seen
        return (rows.flatten(0, 1) @ self.weight).unflatten(0, rows.shape[:2]).mT


def convolution(weight_OCK: Tensor, bias_O: Tensor, *, stride: int = 1, padding: int = 0) -> nn.Module:
    """`nn.Conv1d` with these numbers, not to be trained any more, as it is fastest where they lie."""
    out, channels, kernel = weight_OCK.shape
    if weight_OCK.device.type != "cpu":
        layer = nn.Conv1d(channels, out, kernel, stride, padding)
        layer.weight, layer.bias = (nn.Parameter(x.float(), requires_grad=False) for x in (weight_OCK, bias_O))
        return layer
    if min(channels, out) < FEWEST_CHANNELS or kernel < FEWEST_SAMPLES:
        return UnfoldedConvolution(weight_OCK, bias_O, stride=stride, padding=padding)
    circle = Points.circle(48 if channels <= FEW_CHANNELS else 32)
    points = TOOM_COOK if ceil(kernel / stride) <= FEW_TAPS else circle
    return TiledConvolution(weight_OCK, bias_O, stride=stride, padding=padding, points=points)


def hasten(module: nn.Module) -> None:
    """Replace the convolutions of a module that is not trained any more, in place; those of groups stay."""
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv1d) and layer.groups == 1:
                fast = convolution(layer.weight, layer.bias, stride=layer.stride[0], padding=layer.padding[0])
                setattr(parent, name, fast)
