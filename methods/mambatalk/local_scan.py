"""The local scan module of MambaTalk: speech decides the motion of each part, parts are mixed with their neighbours and
scanned (Xu et al. 2024, sec. 3.4).

Legend: B batch, T frames, A speech width, D hidden width, K codes, F features of a part.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gesturebench.common.nn.mamba import MambaModel, MambaScan
from gesturebench.common.nn.positions import PeriodicPositions
from gesturebench.methods.mambatalk.config import NetworkConfig
from gesturebench.methods.mambatalk.layers import MLP, attention_decoder

BODY = ("upper", "hands", "lower")


class LocalScan(nn.Module):
    """Parameter names are those of the published checkpoint."""

    def __init__(self, config: NetworkConfig, widths: Mapping[str, int]):
        """`widths` of what is predicted of each part: K, or its features."""
        super().__init__()
        c, self._is_scanning, self._has_codes = config, config.local_scan == "mamba", config.target == "codes"
        self.position_embeddings = PeriodicPositions(c.window, c.hidden, c.dropout)
        self.motion_cross_attn = attention_decoder(c)
        self.body_proj = nn.Linear(c.audio, c.hidden)
        for part in BODY:
            self.add_module(f"motion2latent_{part}", MLP(c.hidden, c.hidden, c.hidden))
        for part in ("face", *BODY):
            self.add_module(f"{part}_proj", nn.Linear(2 * c.hidden, c.hidden))
            if self._is_scanning:
                self.add_module(f"{part}_scan", _scan(part, c))
            self.add_module(f"motion_down_{part}", nn.Linear(c.hidden, widths[part]))
            if self._has_codes:
                self.add_module(f"{part}_classifier", MLP(widths[part], c.hidden, widths[part]))

    def body(self, motion_BTD: Tensor, speaker_BTD: Tensor, heard_BTA: Tensor) -> dict[str, Tensor]:
        """What is predicted of every part of the body: (B, T, K), or features."""
        attended = self.motion_cross_attn(self.position_embeddings(motion_BTD), self.body_proj(heard_BTA))
        return self.parts(motion_BTD + attended, speaker_BTD)

    def parts(self, motion: Tensor, speaker_BTD: Tensor) -> dict[str, Tensor]:
        """The same of motion (B, T, D) that has attended to speech."""
        parts = {part: self.get_submodule(f"motion2latent_{part}")(motion) for part in BODY}
        return {part: self._mixed(part, parts, speaker_BTD) for part in BODY}

    def face(self, features_BTD: Tensor, speaker_BTD: Tensor) -> Tensor:
        """The same of the face, whose query is the speaker alone, equal at all frames but for their positions."""
        query = self.position_embeddings(speaker_BTD.expand_as(features_BTD))
        mixed = self.face_proj(torch.cat((query, features_BTD), -1))
        return self.motion_down_face(self.face_scan(mixed) if self._is_scanning else mixed)

    def scores(self, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scores (B, T, K) of the codes of the parts that are given; none where motion is predicted."""
        if not self._has_codes:
            return {}
        return {part: self.get_submodule(f"{part}_classifier")(latent) for part, latent in latents.items()}

    def _mixed(self, part: str, parts: Mapping[str, Tensor], speaker_BTD: Tensor) -> Tensor:
        """down(part + scan(projection of [positions(part + speaker), sum of the other two]))."""
        first, second = (latent for name, latent in parts.items() if name != part)
        query = self.position_embeddings(parts[part] + speaker_BTD)
        mixed = self.get_submodule(f"{part}_proj")(torch.cat((query, first + second), -1))
        scanned = self.get_submodule(f"{part}_scan")(mixed) if self._is_scanning else mixed
        return self.get_submodule(f"motion_down_{part}")(scanned + parts[part])


def _scan(part: str, c: NetworkConfig) -> nn.Module:
    if part == "face":
        return MambaScan(c.hidden, c.hidden, c.hidden, c.face_layers)
    return MambaModel(c.hidden, c.hidden, 1, heads=c.scan_heads, dropout=c.dropout)
