"""The audio model of EMAGE (Liu et al. 2024, sec. 4.2 and 4.3): masked motion and speech to latents and code logits of
four body parts.

Legend: B batch, T frames (at most a window), S samples, D hidden width, L latent width, K codes, M motion channels (55
x 6D, translation 3, contact 4). Parameter names are those of the published checkpoint, also where it misspells them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gesturebench.common.codecs.prior_windows import CHANNELS
from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig
from gesturebench.common.codecs.vq_vae import ConvEncoder
from gesturebench.common.nn.positions import PeriodicPositions
from gesturebench.methods.emage.audio_encoder import AudioEncoder
from gesturebench.methods.emage.config import NetworkConfig

BODY = ("upper", "hands", "lower")
MOTION_LAYERS = 3


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of every frame, by part."""

    latents: dict[str, Tensor]
    """(B, T, L): the code's latent."""
    logits: dict[str, Tensor]
    """(B, T, K): scores of the codes."""

    def row(self, index: int) -> "Prediction":
        """One of the batch, as a batch of its own."""
        one = slice(index, index + 1)
        return Prediction(*({part: x[one] for part, x in group.items()} for group in (self.latents, self.logits)))

    def cpu(self) -> "Prediction":
        return Prediction(*({part: x.cpu() for part, x in group.items()} for group in (self.latents, self.logits)))


class Heard(NamedTuple):
    """What both speech encoders make of a window: (B, T, C)."""

    face: Tensor
    body: Tensor


class MLP(nn.Module):
    """linear(LeakyReLU(linear x))."""

    def __init__(self, width_in: int, hidden: int, width_out: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width_in, hidden), nn.Linear(hidden, width_out)
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class AudioModel(nn.Module):
    """Speech, speaker and visible motion -> `Prediction`."""

    def __init__(self, config: NetworkConfig, codec: VQConfig):
        """`codec` tells what is predicted: as many logits as it has codes, and a latent of its width."""
        super().__init__()
        self.config, self.codec, c = config, codec, config
        self.mask_embedding = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.audio_encoder_face, self.audio_encoder_body = AudioEncoder(c.audio), AudioEncoder(c.audio)
        self.speaker_embedding_face = nn.Embedding(c.speakers, c.hidden)
        self.speaker_embedding_body = nn.Embedding(c.speakers, c.hidden)
        self.motion_encoder = ConvEncoder(CHANNELS, ConvConfig(width=c.motion, layers=MOTION_LAYERS))
        self.bodyhints_face, self.bodyhints_body = (MLP(c.motion, c.hidden, c.motion) for _ in range(2))
        self.position_embeddings = PeriodicPositions(c.window, c.hidden, c.dropout)
        self._add_layer_templates()
        self._add_face()
        self._add_body()
        for part in BODY:
            self._add_body_part(part)

    def _add_layer_templates(self) -> None:
        """Layers the published stacks were copied from: part of the checkpoint, not of the computation."""
        self.transformer_en_layer = self._layer(nn.TransformerEncoderLayer)
        self.audio_motion_cross_attn_layer = self._layer(nn.TransformerDecoderLayer)

    def _layer(self, kind: type[nn.Module]) -> nn.Module:
        c = self.config
        return kind(c.hidden, c.heads, c.feed_forward, c.dropout, batch_first=True)

    def _decoder(self, layers: int) -> nn.TransformerDecoder:
        return nn.TransformerDecoder(self._layer(nn.TransformerDecoderLayer), layers)

    def _add_face(self) -> None:
        c = self.config
        self.audio_face_motion_proj = nn.Linear(c.audio + c.motion, c.hidden)
        self.face_motion_decoder = self._decoder(c.face_layers)
        self.face_out_proj = nn.Linear(c.hidden, self.codec.width)
        self.face_cls = MLP(self.codec.width, c.hidden, self.codec.codes)

    def _add_body(self) -> None:
        c = self.config
        self.moton_proj = nn.Linear(c.motion, c.hidden)
        self.audio_body_motion_proj = nn.Linear(c.audio, c.hidden)
        self.motion_self_encoder = nn.TransformerEncoder(
            self._layer(nn.TransformerEncoderLayer), 1, enable_nested_tensor=False
        )
        self.audio_motion_cross_attn = self._decoder(c.cross_layers)

    def _add_body_part(self, part: str) -> None:
        c = self.config
        self.add_module(f"motion2latent_{part}", MLP(c.hidden, c.hidden, c.hidden))
        self.add_module(f"body_motion_decoder_{part}", self._decoder(1))
        self.add_module(f"motion_out_proj_{part}", nn.Linear(c.hidden, self.codec.width))
        self.add_module(f"motion_cls_{part}", MLP(self.codec.width, c.hidden, self.codec.codes))

    def hear(self, audio_BS: Tensor) -> Heard:
        return Heard(self.audio_encoder_face(audio_BS), self.audio_encoder_body(audio_BS))

    def forward(
        self, heard: Heard, speaker_B: Tensor, motion_BTM: Tensor, hidden_BTM: Tensor, use_audio: bool = True
    ) -> Prediction:
        """`hidden` is True where the motion is not given; without audio the body follows the visible motion alone."""
        hint = self.motion_encoder(torch.where(hidden_BTM, self.mask_embedding, motion_BTM))
        face = self._face(heard.face, speaker_B, self.bodyhints_face(hint))
        body = self._body(heard.body, speaker_B, self.bodyhints_body(hint), use_audio)
        latents = {"face": face} | body
        logits = {part: self._classifier(part)(latent) for part, latent in latents.items()}
        return Prediction(latents, logits)

    def _classifier(self, part: str) -> nn.Module:
        return self.face_cls if part == "face" else self.get_submodule(f"motion_cls_{part}")

    def _face(self, heard_BTC: Tensor, speaker_B: Tensor, hint_BTC: Tensor) -> Tensor:
        """The speaker, at every frame, looks at speech and hints."""
        frames = hint_BTC.shape[1]
        memory = self.audio_face_motion_proj(torch.cat((heard_BTC[:, :frames], hint_BTC), -1))
        speaker = self.speaker_embedding_face(speaker_B)[:, None].expand(-1, frames, -1)
        return self.face_out_proj(self.face_motion_decoder(self.position_embeddings(speaker), memory))

    def _body(self, heard_BTC: Tensor, speaker_B: Tensor, hint_BTC: Tensor, use_audio: bool) -> dict[str, Tensor]:
        """As the published weights expect: speech beyond the last frame stays in the memory, and speaker and positions
        stay in the latent, not only in the query."""
        speaker = self.speaker_embedding_body(speaker_B)[:, None]
        alone = self.motion_self_encoder(self.position_embeddings(self.moton_proj(hint_BTC)) + speaker)
        latent = self.position_embeddings(alone + speaker)
        if use_audio:
            latent = latent + self.audio_motion_cross_attn(latent, self.audio_body_motion_proj(heard_BTC))
        parts = {part: self.get_submodule(f"motion2latent_{part}")(latent) for part in BODY}
        return {part: self._refined(part, parts, speaker) for part in BODY}

    def _refined(self, part: str, parts: dict[str, Tensor], speaker_B1D: Tensor) -> Tensor:
        """A part that knows of the other two: projection of latent + decoder(latent + speaker, others)."""
        first, second = (latent for name, latent in parts.items() if name != part)
        refined = self.get_submodule(f"body_motion_decoder_{part}")(parts[part] + speaker_B1D, first + second)
        return self.get_submodule(f"motion_out_proj_{part}")(parts[part] + refined)
