"""The latent denoiser of RAG-Gesture (Mughal et al. 2025, sec. 3.2): predicts x0 from noisy part latents, text, audio
and speaker.

Legend: B batch, T tokens (four parts and three separators), L latent width, D network width, E time width, N condition
rows. Parameter names are those of the published checkpoint (below its `model.` prefix).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gesturebench.common.nn.efficient_attention import EfficientCrossAttention, EfficientSelfAttention
from gesturebench.common.nn.positions import sinusoid, timestep_embedding
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.rag_gesture.config import DenoiserConfig
from gesturebench.methods.rag_gesture.layout import TokenLayout

CONDITIONS = ("xf_text", "xf_audio", "xf_spk")


@dataclass(frozen=True)
class Conditions:
    """What the network is told about a window: text rows (B, N, text width), audio rows (B, M, audio width), dense
    speaker index (B,).
    """

    text: Tensor
    audio: Tensor
    speaker: Tensor

    def repeat(self, times: int) -> "Conditions":
        return Conditions(*(t.repeat_interleave(times, 0) for t in (self.text, self.audio, self.speaker)))

    def to(self, device: torch.device) -> "Conditions":
        return Conditions(self.text.to(device), self.audio.to(device), self.speaker.to(device))

    def rows(self, index: Tensor | list[int] | slice) -> "Conditions":
        return Conditions(self.text[index], self.audio[index], self.speaker[index])


Answers = tuple[Tensor, Tensor, Tensor]
"""What a layer's queries look up: contexts of text and audio, and the speaker's one answer (B, 1, D)."""


class Style(NamedTuple):
    """Scale and shift (B, 2D) of the five stylization blocks of a layer; depends on the timestep alone."""

    attention: Tensor
    text: Tensor
    audio: Tensor
    speaker: Tensor
    feed_forward: Tensor


class FeedForward(nn.Module):
    """x + Stylization(Linear2(GELU(Linear1 x)), emb); no normalisation before, the second linear starts at zero."""

    def __init__(self, width: int, hidden: int, time_width: int):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)
        self.proj_out = Stylization(width, time_width)

    def forward(self, x_BTD: Tensor, style_B2D: Tensor) -> Tensor:
        return x_BTD + self.proj_out.apply_scale(self.linear2(nn.functional.gelu(self.linear1(x_BTD))), style_B2D)


class DecoderLayer(nn.Module):
    """Self-attention, three cross-attentions of the same x mixed by one linear without residual, feed-forward."""

    def __init__(self, c: DenoiserConfig):
        super().__init__()
        self.sa_block = EfficientSelfAttention(c.width, c.heads, c.time_width)
        self.ca_blocks = nn.ModuleDict(
            {name: EfficientCrossAttention(c.width, c.width, c.heads, c.time_width) for name in CONDITIONS}
        )
        self.ca_mix = nn.Linear(3 * c.width, c.width)
        self.ffn = FeedForward(c.width, c.feed_forward, c.time_width)

    def style(self, emb_BE: Tensor) -> Style:
        return Style(*(block.scale_shift(emb_BE) for block in self.stylizations()))

    def stylizations(self) -> tuple[Stylization, ...]:
        """In the order of `Style`."""
        return tuple(block.proj_out for block in (self.sa_block, *self.ca_blocks.values(), self.ffn))

    def answers(self, text: Tensor, audio: Tensor, speaker: Tensor, keep_B: Tensor | None) -> Answers:
        xf_text, xf_audio, xf_spk = self.ca_blocks.values()
        return xf_text.context(text, keep_B), xf_audio.context(audio, keep_B), xf_spk.answer_of_one(speaker, keep_B)

    def forward(
        self, x: Tensor, style: Style, answers: Answers | None, mask: Tensor, query_mask: Tensor | None
    ) -> Tensor:
        """`answers` None means that all three conditions are dropped."""
        x = self.sa_block(x, style.attention, mask)
        styles, blocks = (style.text, style.audio, style.speaker), tuple(self.ca_blocks.values())
        if answers is None:
            told = [block.styled(block.dropped(), s, query_mask) for block, s in zip(blocks, styles, strict=True)]
        else:
            told = [block(x, s, c, query_mask) for block, s, c in zip(blocks[:2], styles[:2], answers[:2], strict=True)]
            told.append(blocks[2].styled(answers[2], style.speaker, query_mask))
        return self.ffn(self._mixed(x, told), style.feed_forward)

    def _mixed(self, x: Tensor, told: list[Tensor]) -> Tensor:
        """ca_mix of the concatenation [x + text, x + audio, x + speaker], without forming it: W x + W_1 text + ..."""
        weights = self.ca_mix.weight.chunk(3, 1)
        mixed = nn.functional.linear(x, weights[0] + weights[1] + weights[2], self.ca_mix.bias)
        for weight, y in zip(weights, told, strict=True):
            mixed = mixed + nn.functional.linear(y, weight)
        return mixed


class Denoiser(nn.Module):
    """x0(x_t, t, conditions)."""

    def __init__(
        self,
        config: DenoiserConfig,
        layout: TokenLayout,
        *,
        latent: int,
        text: int,
        audio: int,
        positions: bool = False,
    ):
        """`positions` adds to every condition row the sinusoid of its time in slots, after the projection; it has no
        parameters.
        """
        super().__init__()
        self.config, self.layout, self.positions, c = config, layout, positions, config
        self.sequence_embedding = nn.Module()
        self.sequence_embedding.register_buffer("pe", layout.slot_positions(c.width))
        self.global_positional_embedding = nn.Module()
        self.global_positional_embedding.pe = nn.Parameter(torch.rand(layout.tokens, 1, c.width))
        self.text_pre_proj, self.audio_pre_proj = nn.Linear(text, c.width), nn.Linear(audio, c.width)
        self.speaker_embedding = nn.Embedding(c.speakers, c.width)
        with torch.no_grad():
            self.speaker_embedding.weight.div_(c.width)
        self.joint_embed = nn.Linear(latent, c.width)
        self.time_embed = nn.Sequential(
            nn.Linear(c.width, c.time_width), nn.SiLU(), nn.Linear(c.time_width, c.time_width)
        )
        self.temporal_decoder_blocks = nn.ModuleList(DecoderLayer(c) for _ in range(c.layers))
        self.out = nn.Linear(c.width, latent)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("_mask", layout.mask()[None, :, None], persistent=False)
        self.register_buffer("query_mask", layout.query_mask(c.query_mask), persistent=False)

    def answers(self, conditions: Conditions, keep_B: Tensor | None = None) -> list[Answers]:
        """Everything that depends on the conditions alone, once per window; rows with keep flag 0 have them dropped."""
        projected = self.projected(conditions)
        return [layer.answers(*projected, keep_B) for layer in self.temporal_decoder_blocks]

    def projected(self, conditions: Conditions) -> tuple[Tensor, Tensor, Tensor]:
        """Text (B, N, D), audio (B, M, D) and speaker (B, 1, D) as the layers see them."""
        text = self._timed(self.text_pre_proj(conditions.text))
        audio = self._timed(self.audio_pre_proj(conditions.audio))
        return text, audio, self.speaker_embedding(conditions.speaker)[:, None]

    def _timed(self, rows_BND: Tensor) -> Tensor:
        if not self.positions:
            return rows_BND
        count, width = rows_BND.shape[1:]
        return rows_BND + sinusoid(count, width, torch.arange(count) * (self.layout.slots / count)).to(rows_BND)

    def styles(self, t_B: Tensor) -> list[Style]:
        """Everything that depends on the timestep alone."""
        emb = self.time_embedding(t_B)
        return [layer.style(emb) for layer in self.temporal_decoder_blocks]

    def time_embedding(self, t_B: Tensor) -> Tensor:
        """(B, E)."""
        return self.time_embed(timestep_embedding(t_B, self.config.width))

    def forward(self, x_BTL: Tensor, styles: list[Style], answers: list[Answers] | None) -> Tensor:
        """Predicted x0 (B, T, L); `answers` None is the unconditional branch."""
        x = self.joint_embed(x_BTL) + self.positions_of_tokens()
        mask = self._mask.expand(len(x), -1, -1)
        for k, layer in enumerate(self.temporal_decoder_blocks):
            x = layer(x, styles[k], None if answers is None else answers[k], mask, self.query_mask)
        return self.out(x)

    def positions_of_tokens(self) -> Tensor:
        """(1, T, D): the slot's sinusoid and the learned table."""
        slots = self.sequence_embedding.pe[:, 0]
        return self.layout.join([slots] * 4)[None] + self.global_positional_embedding.pe[:, 0]
