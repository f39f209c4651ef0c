"""The two towers: motion and speech of a unit, each to one vector of a joint space.

Legend: N units, T frames at 15 fps, C channels that are read, W words, P pieces of audio, D dimensions.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from gesturebench.common.embedding.actor import ActorEncoder, post_norm_encoder
from gesturebench.common.embedding.config import EmbeddingConfig
from gesturebench.common.embedding.spoken import PIECE_S, Spoken
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import EYES, JAW, N_JOINTS
from gesturebench.common.nn.positions import sinusoid

FPS = 15
SIX = 6
BODY = tuple(joint for joint in range(N_JOINTS) if joint not in (*JAW, *EYES))
"""Body and hands, pelvis included: the joints whose rotations are read."""
LEAST_STD = 1e-3
"""Of a channel: joints that hardly turn do not blow up."""


class Scale(nn.Module):
    """(x - mean) / std by channel, from training data; part of the weights."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def take(self, rows: Tensor) -> None:
        """Set from rows (..., width)."""
        flat = rows.reshape(-1, rows.shape[-1]).float()
        if len(flat):
            self.mean.copy_(flat.mean(0))
            self.std.copy_(flat.std(0, unbiased=False).clamp_min(LEAST_STD))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class SpeechTower(nn.Module):
    """Tokens of words and audio behind a query token; a sinusoid tells when in the unit a token is heard (in frames
    of 15 fps, as for motion), a learned vector tells of which kind it is."""

    def __init__(self, config: EmbeddingConfig, text: int, audio: int):
        super().__init__()
        dim = config.dim
        self.query = nn.Parameter(torch.randn(1, dim))
        self.kinds = nn.Parameter(torch.randn(2, dim) / 10)
        self.text_scale, self.audio_scale = Scale(text), Scale(audio)
        self.text_proj = nn.Linear(text, dim)
        self.audio_proj = nn.Linear(audio, dim) if audio else None
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = post_norm_encoder(dim, config.heads, config.hidden, config.speech_layers, config.dropout)

    def forward(self, spoken: Spoken) -> Tensor:
        """(N, D)."""
        n = len(spoken.text)
        tokens = [self.query.expand(n, -1, -1)]
        there = [tokens[0].new_ones(n, 1, dtype=torch.bool)]
        text = self.text_proj(self.text_scale(spoken.text)) + self.kinds[0]
        tokens.append(self._at(text, spoken.text_s))
        there.append(valid(spoken.words, text.shape[1]))
        if self.audio_proj is not None:
            audio = self.audio_proj(self.audio_scale(spoken.audio)) + self.kinds[1]
            middles = (torch.arange(audio.shape[1], device=audio.device) + 0.5) * PIECE_S
            tokens.append(self._at(audio, middles.expand(n, -1)))
            there.append(valid(spoken.pieces, audio.shape[1]))
        placed = self.dropout(torch.cat(tokens, 1))
        return self.encoder(placed, src_key_padding_mask=~torch.cat(there, 1))[:, 0]

    def _at(self, tokens_NWD: Tensor, seconds_NW: Tensor) -> Tensor:
        """Tokens with the sinusoid of their time."""
        times = seconds_NW.flatten().cpu() * FPS
        return tokens_NWD + sinusoid(len(times), tokens_NWD.shape[2], times).to(tokens_NWD).view_as(tokens_NWD)


class SpeechMotion(nn.Module):
    """Both towers into one space. With `infonce` embeddings lie on a sphere of radius `margin`, else anywhere."""

    def __init__(self, config: EmbeddingConfig, text: int, audio: int):
        """`text` and `audio` are the widths of their tokens."""
        super().__init__()
        self.config = config
        self.motion_scale = Scale(SIX * len(BODY))
        sizes = {"heads": config.heads, "hidden": config.hidden, "dropout": config.dropout}
        self.motion = ActorEncoder(SIX * len(BODY), config.dim, layers=config.motion_layers, **sizes)
        self.speech = SpeechTower(config, text, audio)

    def embed_motion(self, motion_NTF: Tensor, lengths_N: Tensor) -> Tensor:
        """(N, D) of rotations in 6D (N, T, 330 or more), `lengths_N` frames of which count."""
        step = self.config.motion_step
        rows = self.motion_scale(self.channels(motion_NTF[:, ::step]))
        return self._placed(self.motion(rows, valid(-(-lengths_N // step), rows.shape[1]))[:, 0])

    @staticmethod
    def channels(motion: Tensor) -> Tensor:
        """(..., 330 or more) -> (..., C): those of `BODY`."""
        return torch.cat([motion[..., : SIX * JAW[0]], motion[..., SIX * (EYES[-1] + 1) : SIX * N_JOINTS]], -1)

    def embed_speech(self, spoken: Spoken) -> Tensor:
        """(N, D)."""
        return self._placed(self.speech(spoken))

    def _placed(self, x_ND: Tensor) -> Tensor:
        return self.config.margin * normalize(x_ND, dim=-1) if self.config.loss == "infonce" else x_ND


def motion_rows(poses: np.ndarray) -> Tensor:
    """Axis-angle (T, 165) -> (T, 330) float32, channel = joint * 6 + component."""
    return axis_angle_to_6d(torch.from_numpy(np.array(poses, np.float32)).unflatten(-1, (-1, 3))).flatten(-2)


def valid(counts_N: Tensor, length: int) -> Tensor:
    """(N, length) bool: the first `counts_N` places of each row."""
    return torch.arange(length, device=counts_N.device) < counts_N[:, None]
