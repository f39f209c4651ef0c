"""Linear maps laid out for inference: transposed once, rows padded off the page size, neighbours joined into one.

A row of 1024 floats is exactly one page, so that all entries of a column compete for the same lines of the cache. Rows
padded by 16 floats lift a product of 86 by 512 and 512 by 1024 from 83 to 122 GFLOP/s on one core (torch 2.13, MKL).
"""

from collections.abc import Container, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

PADDING = 16


class Packed(NamedTuple):
    """y = x W + b with W (K, N). The weight may have another dtype than x: x is cast for the product, y is as x."""

    weight_KN: Tensor
    bias_N: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        rows = x.flatten(0, -2)
        if self.weight_KN.dtype == x.dtype:
            y = torch.addmm(self.bias_N, rows, self.weight_KN)
        else:
            y = (rows.to(self.weight_KN.dtype) @ self.weight_KN).to(x.dtype) + self.bias_N
        return y.unflatten(0, x.shape[:-1])

    def add_to(self, y: Tensor, x: Tensor) -> Tensor:
        """y + x W in place, without the bias: (..., N), (..., K)."""
        if self.weight_KN.dtype == x.dtype:
            y.view(-1, y.shape[-1]).addmm_(x.flatten(0, -2), self.weight_KN)
        else:
            y += (x.to(self.weight_KN.dtype) @ self.weight_KN).to(x.dtype)
        return y


def packed(weight_NK: Tensor, bias_N: Tensor | None = None, dtype: torch.dtype = torch.float32) -> Packed:
    """The map of `nn.Linear(K, N)` with this weight; the products of folded weights may come in as float64."""
    n, k = weight_NK.shape
    laid = weight_NK.new_empty(k, n + PADDING, dtype=dtype)[:, :n]
    laid.copy_(weight_NK.t())
    bias = torch.zeros(n, device=weight_NK.device) if bias_N is None else bias_N.float()
    return Packed(laid, bias)


def joined(linears: Sequence[nn.Linear], dtype: torch.dtype = torch.float32) -> Packed:
    """Several maps of the same input as one; their results lie side by side."""
    return packed(torch.cat([m.weight for m in linears]), torch.cat([m.bias for m in linears]), dtype)


def after_norm(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of `linear(norm(x))` as a map of the bare normalised x: maps behind different norms of
    one x then share it.
    """
    weight, bias = linear.weight.double(), linear.bias.double()
    return weight * norm.weight.double(), bias + weight @ norm.bias.double()


def bare_norm(x: Tensor) -> Tensor:
    """(x - mean) / deviation over the last dimension. Scale one and shift zero are passed, the kernel without them is
    half as fast."""
    width = x.shape[-1]
    return nn.functional.layer_norm(x, (width,), x.new_ones(width), x.new_zeros(width))


@torch.no_grad()
def lay_out(module: nn.Module, but: Container[nn.Module] = ()) -> None:
    """Store the weights of every linear map of `module` as `packed` does, in place: names, shapes and values stay, and
    `nn.functional.linear` is faster by a quarter. For modules that are not trained any more; `but` keep theirs.
    """
    for part in module.modules():
        names = ("weight", "in_proj_weight") if isinstance(part, nn.Linear | nn.MultiheadAttention) else ()
        for name in names if part not in but else ():
            weight = getattr(part, name, None)
            if weight is not None:
                weight.data = packed(weight.data, dtype=weight.dtype).weight_KN.t()


class PrepackedLinear:
    """`nn.functional.linear` for weights that are not trained any more and meet one number of rows again and again.

    MKL keeps a second copy of such weights in the order its product reads them (150 rows by 512 by 1536: 124 instead of
    105 GFLOP/s on one core), for `rows` of them, or for the number they meet first. Other rows, small weights, other
    devices and builds of torch go the usual way.
    """

    SMALL = 1 << 16

    def __init__(self, rows: int | None = None) -> None:
        self._copies: dict[int, tuple[int, Tensor]] = {}
        self._rows = rows
        self._usable = torch.backends.mkl.is_available() and hasattr(torch.ops.mkl, "_mkl_linear")

    def __call__(self, x: Tensor, weight_NK: Tensor, bias_N: Tensor | None = None) -> Tensor:
        """(..., K) -> (..., N)."""
        if not self._usable or weight_NK.numel() < self.SMALL or x.is_cuda or x.dtype != torch.float32:
            return nn.functional.linear(x, weight_NK, bias_N)
        key, now = weight_NK.data_ptr(), x[..., 0].numel()
        if key not in self._copies:
            rows = self._rows or now
            self._copies[key] = rows, torch.ops.mkl._mkl_reorder_linear_weight(weight_NK.detach().contiguous(), rows)
        rows, copy = self._copies[key]
        if rows != now:
            return nn.functional.linear(x, weight_NK, bias_N)
        return torch.ops.mkl._mkl_linear(x, copy, weight_NK, bias_N, rows)
