"""The global scan module of MambaTalk: what was moved so far, who speaks, and scans over all of speech and motion (Xu
et al. 2024, sec. 3.3).

Legend: B batch, T frames, M motion channels (55 x 6D, translation 3, contact 4), C motion width, A speech width, D
hidden width. Its steps are methods of their own, since at inference only some of them wait for the window before.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.codecs.prior_windows import CHANNELS
from gesturebench.common.codecs.vq_config import ConvConfig
from gesturebench.common.codecs.vq_vae import ConvEncoder
from gesturebench.common.nn.mamba import MambaScan
from gesturebench.common.nn.positions import PeriodicPositions
from gesturebench.methods.mambatalk.config import NetworkConfig
from gesturebench.methods.mambatalk.layers import MLP, attention_encoder

MOTION_LAYERS = 3


class GlobalScan(nn.Module):
    """Parameter names are those of the published checkpoint. `face_q_self_attn` is one of them and takes no part in the
    computation."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        c, self._is_scanning = config, config.global_scan == "mamba"
        self.learnable_query = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.motion_encoder = ConvEncoder(CHANNELS, ConvConfig(width=c.motion, layers=MOTION_LAYERS))
        self.motion_proj1, self.motion_proj2 = MLP(c.motion, c.hidden, c.motion), nn.Linear(c.motion, c.hidden)
        self.position_embeddings = PeriodicPositions(c.window, c.hidden, c.dropout)
        self.face_q_self_attn, self.body_q_self_attn = attention_encoder(c), attention_encoder(c)
        self.motion_self_encoder = attention_encoder(c)
        if self._is_scanning:
            self.face_scan = MambaScan(c.audio, 2 * c.audio, c.audio, 1)
            self.body_scan = MambaScan(c.motion, c.hidden, c.motion, 1)
        self.out = nn.Linear(c.audio + c.motion, c.hidden)

    def forward(
        self, motion_BTM: Tensor, hidden_BTM: Tensor, speaker_BTD: Tensor, face_BTA: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Motion and features (B, T, D) of the whole window; `hidden` is True where the motion is not given."""
        hint = self.hint(motion_BTM, hidden_BTM)
        return self.motion(hint, self.speaker(speaker_BTD)), self.features(hint, self.heard(face_BTA))

    def hint(self, motion_BTM: Tensor, hidden_BTM: Tensor) -> Tensor:
        """(B, T, C): the visible motion, a learned query in place of what is hidden."""
        return self.motion_encoder(torch.where(hidden_BTM, self.learnable_query, motion_BTM))

    def speaker(self, speaker_BTD: Tensor) -> Tensor:
        """(B, T, D). Of equal rows one is enough: attention among them is each one's own value."""
        return self.body_q_self_attn(speaker_BTD)

    def motion(self, hint_BTC: Tensor, speaker_BTD: Tensor) -> Tensor:
        """(B, T, D)."""
        query = self.motion_proj2(self.motion_proj1(hint_BTC))
        return self.motion_self_encoder(self.position_embeddings(speaker_BTD + query))

    def heard(self, face_BTA: Tensor) -> Tensor:
        """(B, T, A): the speech, scanned."""
        return self.face_scan(face_BTA) if self._is_scanning else face_BTA

    def features(self, hint_BTC: Tensor, heard_BTA: Tensor) -> Tensor:
        """(B, T, D)."""
        hint = self.body_scan(hint_BTC) if self._is_scanning else hint_BTC
        return self.out(torch.cat((heard_BTA, hint), -1))
