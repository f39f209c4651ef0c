"""Sound and motion of a segment as points of one space (Zhou et al. 2025, section 3.2).

Legend: B segments, T frames of the longest, F features of a frame, W width of tokens, J dimensions of the joint space.
"""

from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from gesturebench.methods.exges.retrieval.config import NetworkConfig


class Encoded(NamedTuple):
    """`tokens` (B, T, W) for the matching head, `frames` (B, T, J) points of single frames, `vector` (B, J) unit
    vectors of segments, `mask` (B, T) bool: true frames. T counts the frames that are read."""

    tokens: Tensor
    frames: Tensor
    vector: Tensor
    mask: Tensor


class Scale(nn.Module):
    """(x - mean) / std, and 0 for features that are not to be seen."""

    def __init__(self, mean_F: Tensor, std_F: Tensor, seen_F: Tensor):
        super().__init__()
        for name, values in (("mean", mean_F), ("std", std_F), ("seen", seen_F.float())):
            self.register_buffer(name, values.clone())

    def forward(self, rows: Tensor) -> Tensor:
        return (rows - self.mean) / self.std * self.seen


class SegmentEncoder(nn.Module):
    """Frames of one modality: linear, learned positions, pre-norm transformer, linear into the joint space.

    Pooling happens in the joint space, so that segments and single frames can be compared with each other.
    """

    def __init__(self, features: int, frames: int, config: NetworkConfig):
        super().__init__()
        self.pooling, self.step = config.pooling, config.step
        self.scale = Scale(torch.zeros(features), torch.ones(features), torch.ones(features))
        self.embed = nn.Linear(features, config.width)
        self.positions = nn.Parameter(0.02 * torch.randn(ceil(frames / config.step), config.width))
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.hidden, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(config.width)
        self.blocks = nn.TransformerEncoder(layer, config.layers, norm, enable_nested_tensor=False)
        self.project = nn.Linear(config.width, config.joint)

    def forward(self, rows_BTF: Tensor, mask_BT: Tensor) -> Encoded:
        rows_BTF, mask_BT = rows_BTF[:, :: self.step], mask_BT[:, :: self.step]
        embedded = self.embed(self.scale(rows_BTF)) + self.positions[: rows_BTF.shape[1]]
        tokens = self.blocks(embedded, src_key_padding_mask=~mask_BT)
        frames = self.project(tokens)
        vector = normalize(pooled(frames, mask_BT, self.pooling), dim=-1)
        return Encoded(tokens, frames, vector, mask_BT)


def pooled(values_BTD: Tensor, mask_BT: Tensor, how: str) -> Tensor:
    """(B, D) maximum (`max`) or mean over the true frames of each row.

    >>> values, mask = torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])
    >>> pooled(values, mask, "max").item(), pooled(values, mask, "mean").item()
    (3.0, 2.0)
    """
    there = mask_BT[..., None]
    if how == "max":
        return values_BTD.masked_fill(~there, -torch.inf).amax(1)
    return (values_BTD * there).sum(1) / there.sum(1)


def frame_similarity(frames_TJ: Tensor, vector_J: Tensor) -> Tensor:
    """(T,) cosine of each frame with a vector: s(a, m) of Zhou et al. 2025, whose argmax is the keyframe."""
    return normalize(frames_TJ, dim=-1) @ vector_J


def frame_contribution(frames_TJ: Tensor, vector_J: Tensor) -> Tensor:
    """(T,) what each frame adds to the similarity of a vector with the maximum over frames; they sum up to it but for
    the maximum's length."""
    highest, owner = frames_TJ.max(0)
    return torch.zeros(len(frames_TJ), device=frames_TJ.device).index_add(0, owner, highest * vector_J)


def frame_mask(lengths_B: Tensor, frames: int) -> Tensor:
    """(B, T) bool: the first `lengths` frames of each row."""
    return torch.arange(frames, device=lengths_B.device) < lengths_B[:, None]
