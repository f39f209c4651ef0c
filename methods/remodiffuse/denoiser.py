"""The denoiser of ReMoDiffuse (Zhang et al. 2023, sec. 3.2): predicts x0 from noisy motion, a prompt and retrieved
samples. Legend in `blocks.py`.

A prediction is one of four branches: with prompt and retrieved samples (`both`), with one of them (`text`, `retr`), or
with neither (`none`); `condition mixture` weighs them at every step.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.nn.positions import timestep_embedding
from gesturebench.methods.remodiffuse.attention import BaseMixedAttention, SemanticsModulatedAttention
from gesturebench.methods.remodiffuse.blocks import FeedForward
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig
from gesturebench.methods.remodiffuse.retrieval_encoders import RetrievalEncoders, Retrieved, encoder

CONDITIONS = {"both": (True, True), "text": (True, False), "retr": (False, True), "none": (False, False)}
"""Branch -> whether prompt and retrieved samples are seen, in the order of mixture weights."""
ATTENTION = {"linear": SemanticsModulatedAttention, "softmax": BaseMixedAttention}

Flag = Tensor | bool


class DecoderLayer(nn.Module):
    """Attention over all sources, then a feed-forward net; both stylized by the diffusion time."""

    def __init__(self, c: DenoiserConfig):
        super().__init__()
        attention = ATTENTION[c.attention]
        self.ca_block = attention(c.width, c.prompt_width, c.heads, c.time_width, c.dropout)
        self.ffn = FeedForward(c.width, c.feed_forward, c.time_width, c.dropout)


class Denoiser(nn.Module):
    """x0(x_t, t, prompt, retrieved).

    `features` per frame, at most `frames`; `text` the width of prompt tokens, `captions` that of caption tokens of
    retrieved samples (None: the same). `database` holds the encoders of retrieved samples.

    >>> small = DenoiserConfig(width=16, heads=2, layers=1, time_width=8, feed_forward=8, prompt_width=8)
    >>> net = Denoiser(small, features=5, frames=12, text=6)
    >>> prompt = net.encode_prompt(torch.zeros(2, 7, 6))
    >>> net(torch.zeros(2, 12, 5), torch.tensor([3, 4]), prompt, None, True, False, torch.ones(2, 12)).shape
    torch.Size([2, 12, 5])
    """

    def __init__(self, config: DenoiserConfig, *, features: int, frames: int, text: int, captions: int | None = None):
        super().__init__()
        self.config, c = config, config
        self.sequence_embedding = nn.Parameter(torch.randn(frames, c.width))
        self.text_pre_proj = nn.Identity() if text == c.prompt_width else nn.Linear(text, c.prompt_width)
        self.textTransEncoder = encoder(
            c.prompt_width, c.prompt_heads, c.prompt_feed_forward, c.prompt_layers, c.dropout
        )
        self.text_ln = nn.LayerNorm(c.prompt_width)
        self.joint_embed = nn.Linear(features, c.width)
        self.time_embed = nn.Sequential(
            nn.Linear(c.width, c.time_width), nn.SiLU(), nn.Linear(c.time_width, c.time_width)
        )
        self.temporal_decoder_blocks = nn.ModuleList(DecoderLayer(c) for _ in range(c.layers))
        self.out = nn.Linear(c.width, features)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.database = RetrievalEncoders(
            c, features=features, frames=frames, captions=text if captions is None else captions
        )

    def encode_prompt(self, tokens_BNC: Tensor) -> Tensor:
        """Prompt tokens (B, N, text) -> (B, N, L); padding takes part, as published."""
        return self.encode_rows(self.text_pre_proj(tokens_BNC))

    def encode_rows(self, rows_BNL: Tensor) -> Tensor:
        """The prompt's transformer on rows that are projected already, such as text and audio side by side."""
        return self.text_ln(self.textTransEncoder(rows_BNL))

    def time_embedding(self, t_B: Tensor) -> Tensor:
        """e_t (B, E) of original timesteps 0 .. 999."""
        return self.time_embed(timestep_embedding(t_B, self.config.width))

    def forward(
        self,
        x_BTF: Tensor,
        t_B: Tensor,
        prompt_BNL: Tensor,
        retrieved: Retrieved | None,
        speech: Flag,
        retrieval: Flag,
        mask_BT: Tensor,
        extra_BTD: Tensor | None = None,
        style_BE: Tensor | None = None,
    ) -> Tensor:
        """Predicted x0 (B, T, features).

        `speech` and `retrieval`: which rows (B,) see the prompt and the retrieved samples, or one answer for all.
        `mask` is 1 at real frames. `extra` is added to the embedded frames (frame-aligned audio; the caller has zeroed
        rows without speech), `style` to the time embedding (a speaker's vector).
        """
        speech_B, retrieval_B = (_rows(flag, x_BTF) for flag in (speech, retrieval))
        h = self.joint_embed(x_BTF) + self.sequence_embedding[: x_BTF.shape[1]]
        if extra_BTD is not None:
            h = h + extra_BTD
        emb = self.time_embedding(t_B)
        if style_BE is not None:
            emb = emb + style_BE
        for layer in self.temporal_decoder_blocks:
            h = layer.ca_block(h, prompt_BNL, emb, mask_BT, speech_B, retrieval_B, retrieved)
            h = layer.ffn(h, emb)
        return self.out(h)


def _rows(flag: Flag, x_BTF: Tensor) -> Tensor:
    """(B,), one number per row."""
    return torch.as_tensor(flag, device=x_BTF.device).to(x_BTF.dtype).expand(len(x_BTF))


def reconstruction_loss(predicted_BTF: Tensor, target_BTF: Tensor, mask_BT: Tensor) -> Tensor:
    """Squared error, mean over the features of a frame, then over all frames of the batch whose mask is 1."""
    mask = mask_BT.to(predicted_BTF.dtype)
    return ((predicted_BTF - target_BTF).square().mean(-1) * mask).sum() / mask.sum()
