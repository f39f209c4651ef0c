"""The skeleton-aware convolutional autoencoder whose encoder gives the features of FGD.

Architecture and parameter names are those of the network behind published BEAT2 numbers (`VAESKConv`, weights
`AESKConv_240_100.bin`), so that its file loads into this one; the idea is Aberman et al. 2020, "Skeleton-aware networks
for deep motion retargeting". Legend: B batch, T frames, E edges of the skeleton, C channels (edge-major: all channels
of edge 0 first).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gesturebench.common.motion.skeleton import N_JOINTS, PARENTS

Edge = tuple[int, int]

FRAMES_PER_FEATURE = 16
REACH = 2
"""How far along the skeleton a convolution sees, in edges."""


@dataclass(frozen=True)
class Layer:
    """What one encoder layer does to the skeleton: the edges it starts from, and which of them each of its outputs
    averages."""

    edges: tuple[Edge, ...]
    pools: tuple[tuple[int, ...], ...]

    @property
    def reduces(self) -> bool:
        return len(self.pools) < len(self.edges)

    @property
    def pooled_edges(self) -> tuple[Edge, ...]:
        """From the parent end of the first to the child end of the last edge of every pool."""
        return tuple((self.edges[pool[0]][0], self.edges[pool[-1]][1]) for pool in self.pools)


def body_edges() -> tuple[Edge, ...]:
    """Edge i leads to joint i; edge 0 leads from the root to a made-up child, so that the root has channels too."""
    return ((0, N_JOINTS), *((PARENTS[joint], joint) for joint in range(1, N_JOINTS)))


def skeleton_layers(count: int = 4) -> tuple[Layer, ...]:
    """The skeletons of the successive layers; the last layer keeps its edges."""
    layers, edges = [], body_edges()
    for index in range(count):
        pools = edge_pools(edges) if index < count - 1 else tuple((i,) for i in range(len(edges)))
        layers.append(Layer(edges, pools))
        edges = layers[-1].pooled_edges if layers[-1].reduces else edges
    return tuple(layers)


def edge_pools(edges: tuple[Edge, ...]) -> tuple[tuple[int, ...], ...]:
    """Edge indices to merge: pairs along every unbranched chain; a chain of odd length keeps its first edge alone."""
    pools = []
    for chain in _chains(edges):
        odd = len(chain) % 2
        pools += [(edge,) for edge in chain[:odd]]
        pools += [(chain[i], chain[i + 1]) for i in range(odd, len(chain), 2)]
    return tuple(pools)


def _chains(edges: tuple[Edge, ...]) -> list[tuple[int, ...]]:
    """Depth first from joint 0 in edge order; a chain ends where the skeleton branches or stops."""
    degree = np.bincount(np.ravel(edges))
    closed: list[tuple[int, ...]] = []

    def walk(joint: int, chain: tuple[int, ...]) -> None:
        branches = degree[joint] > 2 and joint != 0
        if chain and (branches or degree[joint] == 1):
            closed.append(chain)
            chain = ()
        for index, (parent, child) in enumerate(edges):
            if parent == joint:
                walk(child, (*chain, index))

    walk(0, ())
    return closed


def neighbours(edges: tuple[Edge, ...], reach: int = REACH) -> np.ndarray:
    """(E, E) bool: which edges lie within `reach` steps of each other; edges that share a joint are one step apart."""
    ends = np.asarray(edges)
    adjacent = (ends[:, None, :, None] == ends[None, :, None, :]).any((-1, -2))
    return np.linalg.matrix_power(adjacent.astype(np.int64), reach) > 0


class SkeletonConv(nn.Conv1d):
    """A convolution over time whose weight is zero between edges that are far apart on the skeleton."""

    def __init__(self, near: np.ndarray, c_in: int, c_out: int, kernel: int, padding: int):
        super().__init__(len(near) * c_in, len(near) * c_out, kernel, stride=2, padding=padding)
        mask = np.kron(near, np.ones((c_out, c_in)))[..., None].repeat(kernel, -1)
        self.register_buffer("mask", torch.tensor(mask, dtype=torch.float32))
        # the default initialisation counts inputs the mask removes; this restores its variance per output
        visible = self.mask.sum((1, 2), keepdim=True)
        with torch.no_grad():
            self.weight *= (self.weight[0].numel() / visible).sqrt()

    def forward(self, x_BCT: Tensor) -> Tensor:
        return nn.functional.conv1d(x_BCT, self.weight * self.mask, self.bias, self.stride, self.padding)


class EdgePool(nn.Module):
    """Average the channels of the edges of each pool: a constant matrix from the left."""

    def __init__(self, layer: Layer, channels: int):
        super().__init__()
        weight = np.zeros((len(layer.pools), len(layer.edges)))
        for row, pool in zip(weight, layer.pools):
            row[list(pool)] = 1 / len(pool)
        self.register_buffer("weight", torch.tensor(np.kron(weight, np.eye(channels)), dtype=torch.float32))

    def forward(self, x_BCT: Tensor) -> Tensor:
        return self.weight @ x_BCT


class SkeletonResidual(nn.Module):
    """tanh(pool(groupnorm(conv4(x)) + conv1(x))), half the frame rate."""

    def __init__(self, layer: Layer, c_in: int, c_out: int):
        super().__init__()
        near = neighbours(layer.edges)
        self.residual = nn.Sequential(SkeletonConv(near, c_in, c_out, 4, 1), nn.GroupNorm(10, len(near) * c_out))
        self.shortcut = SkeletonConv(near, c_in, c_out, 1, 0)
        self.common = nn.Sequential(*([EdgePool(layer, c_out)] if layer.reduces else []), nn.Tanh())

    def forward(self, x_BCT: Tensor) -> Tensor:
        return self.common(self.residual(x_BCT) + self.shortcut(x_BCT))


class SkeletonEncoder(nn.Module):
    """rot6d (B, T, 330) -> (B, T/16, 240). T is a multiple of 16; normalisation runs over all of T, so a feature
    depends on the whole input."""

    GROWTH = (1, 1, 2, 1)

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList()
        channels = 6
        for layer, growth in zip(skeleton_layers(len(self.GROWTH)), self.GROWTH):
            self.layers.append(nn.Sequential(SkeletonResidual(layer, channels, channels * growth)))
            channels *= growth

    def forward(self, rot6d_BTC: Tensor) -> Tensor:
        x_BCT = rot6d_BTC.transpose(1, 2)
        for layer in self.layers:
            x_BCT = layer(x_BCT)
        return x_BCT.transpose(1, 2)


class ResidualBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv1d(channels, channels, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv1d(channels, channels, 3, 1, 1)
        )

    def forward(self, x_BCT: Tensor) -> Tensor:
        return x_BCT + self.model(x_BCT)


class UpsamplingDecoder(nn.Module):
    """(B, T/16, latent) -> (B, T, output): two residual blocks, four doublings of the frame rate, a last
    convolution."""

    def __init__(self, latent: int = 240, output: int = 330, doublings: int = int(math.log2(FRAMES_PER_FEATURE))):
        super().__init__()
        blocks: list[nn.Module] = [ResidualBlock(latent), ResidualBlock(latent)]
        for index in range(doublings):
            channels = output if index == doublings - 1 else latent
            blocks += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv1d(latent, channels, 3, 1, 1),
                nn.LeakyReLU(0.2),
            ]
        self.main = nn.Sequential(*blocks, nn.Conv1d(output, output, 3, 1, 1))

    def forward(self, latent_BTD: Tensor) -> Tensor:
        return self.main(latent_BTD.transpose(1, 2)).transpose(1, 2)


class SkeletonAutoencoder(nn.Module):
    """Encoder and decoder; `fc_mu` and `fc_logvar` belong to the file format and are not used."""

    LATENT = 240

    def __init__(self):
        super().__init__()
        self.encoder = SkeletonEncoder()
        self.decoder = UpsamplingDecoder(self.LATENT)
        self.fc_mu = nn.Linear(self.LATENT, self.LATENT)
        self.fc_logvar = nn.Linear(self.LATENT, self.LATENT)

    def forward(self, rot6d_BTC: Tensor) -> Tensor:
        return self.decoder(self.encoder(rot6d_BTC))
