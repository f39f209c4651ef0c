"""The network of MambaTalk (Xu et al., NeurIPS 2024): speech, words, speaker and visible motion -> what to do with
every body part.

Legend: B batch, S samples, T frames (at most two windows), M motion channels, A speech width, D hidden width, K codes.
Parameter names are those of the published checkpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.mambatalk.config import MambaTalkConfig
from gesturebench.methods.mambatalk.fusion import as_long_as, fused
from gesturebench.methods.mambatalk.global_scan import GlobalScan
from gesturebench.methods.mambatalk.local_scan import LocalScan
from gesturebench.methods.mambatalk.wave_encoder import WaveEncoder

WAVE_FEATURES = {"face": 3, "body": 2}
"""The face hears amplitude, letters and wave, the body the first two."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of every frame, by part."""

    latents: dict[str, Tensor]
    """(B, T, K) the code's latent; without VQ-VAEs (B, T, F) the motion features."""
    scores: dict[str, Tensor]
    """(B, T, K) scores of the codes; none without VQ-VAEs."""


@dataclass(frozen=True, eq=False)
class Heard:
    """Sound and words of windows, (B, T, A): what does not wait for motion."""

    face: Tensor
    body: Tensor


class Network(nn.Module):
    """Speech, words, speaker and visible motion -> `Prediction`."""

    def __init__(self, config: MambaTalkConfig):
        super().__init__()
        c, speech = config.network, config.speech
        for branch in WAVE_FEATURES:
            self.add_module(f"text_pre_encoder_{branch}", nn.Embedding(speech.word_rows, speech.word_width))
            self.add_module(f"text_encoder_{branch}", nn.Linear(speech.word_width, c.audio))
        for branch, features in WAVE_FEATURES.items():
            self.add_module(f"audio_pre_encoder_{branch}", WaveEncoder(features, c.audio))
        for branch in WAVE_FEATURES:
            self.add_module(f"at_attn_{branch}", nn.Linear(2 * c.audio, 2 * c.audio))
        self.global_scan = GlobalScan(c)
        self.local_scan = LocalScan(c, predicted_widths(config))
        for branch in WAVE_FEATURES:
            self.add_module(f"speaker_encoder_{branch}", nn.Embedding(c.speakers, c.hidden))

    def forward(
        self, audio_BSF: Tensor, words_BT: Tensor, speaker_BT: Tensor, motion_BTM: Tensor, hidden_BTM: Tensor
    ) -> Prediction:
        """`hidden` is True where the motion is not given."""
        heard = self.hear(audio_BSF, words_BT)
        return self.move(heard, speaker_BT, motion_BTM, hidden_BTM)

    def hear(self, audio_BSF: Tensor, words_BT: Tensor) -> Heard:
        """Channels of `channels.py` and words."""
        return Heard(*(self.heard(branch, audio_BSF, words_BT) for branch in ("face", "body")))

    def move(self, heard: Heard, speaker_BT: Tensor, motion_BTM: Tensor, hidden_BTM: Tensor) -> Prediction:
        face_speaker, body_speaker = self.speaker_encoder_face(speaker_BT), self.speaker_encoder_body(speaker_BT)
        motion, features = self.global_scan(motion_BTM, hidden_BTM, body_speaker, heard.face)
        latents = {"face": self.local_scan.face(features, face_speaker)}
        return self.scored(latents | self.local_scan.body(motion, body_speaker, heard.body))

    def scored(self, latents: Mapping[str, Tensor]) -> Prediction:
        return Prediction(dict(latents), self.local_scan.scores(latents))

    def heard(self, branch: str, audio_BSF: Tensor, words_BT: Tensor) -> Tensor:
        """(B, T, A): what one branch hears."""
        rows = self.get_submodule(f"text_pre_encoder_{branch}")(words_BT)
        words = self.get_submodule(f"text_encoder_{branch}")(rows)
        encoder = self.get_submodule(f"audio_pre_encoder_{branch}")
        audio = as_long_as(encoder(audio_BSF[..., : WAVE_FEATURES[branch]]), words_BT.shape[1])
        return fused(audio, words, self.get_submodule(f"at_attn_{branch}"))


def predicted_widths(config: MambaTalkConfig) -> dict[str, int]:
    """Of what is predicted of each part: codes, or motion features."""
    if config.network.target == "motion":
        return dict(PART_FEATURES)
    return dict.fromkeys(PART_NAMES, config.priors.codec.codes)


@torch.no_grad()
def start_words_at(network: Network, vectors: Tensor) -> None:
    """Let both tables of words begin with known vectors (rows, width)."""
    for branch in WAVE_FEATURES:
        network.get_submodule(f"text_pre_encoder_{branch}").weight.copy_(vectors)
