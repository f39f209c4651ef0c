"""The evaluator of published text-to-motion tables: a pair of bidirectional GRUs (Guo et al. 2022).

The parameter names are those of released checkpoints, one module per network: `movement_encoder`, `motion_encoder`,
`text_encoder`. Legend: B batch, T frames, M = T // 4 movements, F features of a frame, W words, D dimensions.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

CONTACTS = 4
"""Features at the end of a frame (foot contacts) that the evaluator does not read."""
RATE = 4
"""Frames per movement."""


class MovementEncoder(nn.Module):
    """(B, T, F) -> (B, M, D): two convolutions that halve the rate, without the foot contacts."""

    def __init__(self, features: int, hidden: int, latent: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(features - CONTACTS, hidden, 4, 2, 1),
            nn.Dropout(0.2),
            nn.LeakyReLU(0.2),
            nn.Conv1d(hidden, latent, 4, 2, 1),
            nn.Dropout(0.2),
            nn.LeakyReLU(0.2),
        )
        self.out_net = nn.Linear(latent, latent)

    def forward(self, motion_BTF: Tensor) -> Tensor:
        return self.out_net(self.main(motion_BTF[..., :-CONTACTS].transpose(1, 2)).transpose(1, 2))


class BiGRU(nn.Module):
    """A sequence to one vector: both final states of a GRU with a learned start, then a small head."""

    def __init__(self, features: int, hidden: int, latent: int):
        super().__init__()
        self.input_emb = nn.Linear(features, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, latent)
        )
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))

    def forward(self, rows_BTF: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, D); rows past a sequence's length are not read."""
        start = self.hidden.expand(-1, len(rows_BTF), -1).contiguous()
        packed = pack_padded_sequence(
            self.input_emb(rows_BTF), lengths_B.cpu(), batch_first=True, enforce_sorted=False
        )  # fmt: skip
        _, final = self.gru(packed, start)
        return self.output_net(torch.cat((final[0], final[1]), -1))


class TextGRU(BiGRU):
    """(B, W, words) and (B, W, classes) -> (B, D): word vectors plus a linear map of one-hot word classes."""

    def __init__(self, words: int, classes: int, hidden: int, latent: int):
        super().__init__(words, hidden, latent)
        self.pos_emb = nn.Linear(classes, words)

    def forward(self, words_BWF: Tensor, classes_BWC: Tensor, lengths_B: Tensor) -> Tensor:
        return super().forward(words_BWF + self.pos_emb(classes_BWC), lengths_B)


class TextMotionEvaluator(nn.Module):
    """Both towers; in published sizes movement and text vectors have 512 dimensions, the motion's GRU 1024 units."""

    def __init__(
        self, features: int, *, movement: tuple[int, int] = (512, 512), motion: int = 1024, text: int = 512,
        latent: int = 512, words: int = 300, classes: int = 15,
    ):  # fmt: skip
        super().__init__()
        self.movement_encoder = MovementEncoder(features, *movement)
        self.motion_encoder = BiGRU(movement[1], motion, latent)
        self.text_encoder = TextGRU(words, classes, text, latent)

    def embed_motion(self, motion_BTF: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, D) of normalised HumanML3D or KIT features; lengths in frames, four at least."""
        return self.motion_encoder(self.movement_encoder(motion_BTF), lengths_B // RATE)

    def embed_text(self, words_BWF: Tensor, classes_BWC: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, D) of word vectors and one-hot classes; lengths with the words that mark start and end."""
        return self.text_encoder(words_BWF, classes_BWC, lengths_B)
