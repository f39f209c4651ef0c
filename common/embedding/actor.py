"""The ACTOR encoder (Petrovich et al. 2021): a motion of any length becomes one vector, that of a learned query token.

Legend: B batch, T frames, F features of a frame, D latent width, Q query tokens.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.nn.positions import PositionTable, sinusoid


class ActorEncoder(nn.Module):
    """Q learned tokens before the frames, positions, a post-norm transformer; the outputs of the tokens.

    One token is the embedding; two are mean and log-variance of a distribution. Positions are sinusoids, or with
    `learned` a table for that many frames. Parameter names are those of released checkpoints; their final projection
    refers to layers that were never made, and has no counterpart here.
    """

    def __init__(
        self,
        features: int,
        dim: int = 256,
        *,
        heads: int = 4,
        hidden: int = 1024,
        layers: int = 8,
        dropout: float = 0.1,
        queries: int = 1,
        learned: int | None = None,
    ):
        super().__init__()
        self.query = nn.Parameter(torch.randn(queries, dim))
        self.skelEmbedding = nn.Linear(features, dim)
        self.pos_encoder = PositionTable(learned + queries, dim, learned=True) if learned else SinusoidalPositions()
        self.dropout = nn.Dropout(dropout)
        self.seqTransEncoder = post_norm_encoder(dim, heads, hidden, layers, dropout)

    def forward(self, motion_BTF: Tensor, mask_BT: Tensor) -> Tensor:
        """(B, Q, D); `mask_BT` is true where there is a frame. What stands in other frames has no influence."""
        batch, queries = len(motion_BTF), len(self.query)
        tokens = torch.cat([self.query.expand(batch, -1, -1), self.skelEmbedding(motion_BTF)], 1)
        there = torch.cat([mask_BT.new_ones(batch, queries), mask_BT], 1).bool()
        placed = self.dropout(self.pos_encoder(tokens))
        return self.seqTransEncoder(placed, src_key_padding_mask=~there)[:, :queries]


class SinusoidalPositions(nn.Module):
    """Adds sinusoids of the place in the sequence, however long it is; nothing of it is kept in checkpoints."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        return x_BTD + sinusoid(*x_BTD.shape[1:]).to(x_BTD)


def post_norm_encoder(dim: int, heads: int, hidden: int, layers: int, dropout: float) -> nn.TransformerEncoder:
    """(B, T, D) -> (B, T, D); GELU, norms after the residual sums, none at the end."""
    layer = nn.TransformerEncoderLayer(dim, heads, hidden, dropout, activation="gelu", batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
