"""What the denoiser sees of retrieved samples: their motion, encoded and thinned, and one token of their caption."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gesturebench.methods.remodiffuse.blocks import PlainFeedForward, PlainSelfAttention
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig


class Retrieved(NamedTuple):
    """Encoded samples: k per clip, F = ceil(frames / stride) frames each.

    `motion` (B, k, F, D); `text` (B, k, 1, D), which shapes the keys alone; `mask` (B, k, F), 1 where a frame is real.
    A slot without a sample has a mask of zeros, and nothing is borrowed from it.
    """

    motion: Tensor
    text: Tensor
    mask: Tensor

    def rows(self, index: Tensor | list[int] | slice) -> "Retrieved":
        """Some of the clips."""
        return Retrieved(self.motion[index], self.text[index], self.mask[index])

    def to(self, device: torch.device | str) -> "Retrieved":
        return Retrieved(self.motion.to(device), self.text.to(device), self.mask.to(device))


class MotionBlock(nn.Module):
    """Self-attention, then a feed-forward net, without diffusion time."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.sa_block, self.ffn = PlainSelfAttention(width, heads), PlainFeedForward(width, hidden)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.ffn(self.sa_block(x_BTD, mask_BT))


class RetrievalEncoders(nn.Module):
    """Motions and captions of retrieved samples -> `Retrieved`; trained with the denoiser.

    `features` per frame, `frames` at most, `captions` width of caption tokens. As published, captions go in without
    projection where they are as wide as the network; others get one linear map, `caption_proj`.
    """

    def __init__(self, config: DenoiserConfig, *, features: int, frames: int, captions: int):
        super().__init__()
        c, width = config.retrieval, config.width
        self.stride, self.keys = c.stride, config.attention_keys
        self.motion_proj = nn.Linear(features, width)
        self.motion_pos_embedding = nn.Parameter(torch.randn(frames, width))
        self.motion_encoder_blocks = nn.ModuleList(
            MotionBlock(width, c.motion_heads, c.feed_forward) for _ in range(c.motion_layers)
        )
        self.caption_proj = nn.Identity() if captions == width else nn.Linear(captions, width)
        self.text_encoder = encoder(width, c.caption_heads, c.feed_forward, c.caption_layers, config.dropout)

    def forward(self, motions_BkTF: Tensor, mask_BkT: Tensor, captions_BkNC: Tensor) -> Retrieved:
        """Normalised and zero padded motions (B, k, T, features), their masks (B, k, T), caption tokens (B, k, N, C).

        Of an encoded caption the last token is kept, padding or not: in a causal text encoder it has read everything.
        """
        motion = self.encode_motion(motions_BkTF.flatten(0, 1), mask_BkT.flatten(0, 1))
        shape, step = motions_BkTF.shape[:2], slice(None, None, self.stride)
        motion = motion[:, step].unflatten(0, shape)
        if self.keys == "motion":
            text = motion.new_zeros(*shape, 1, motion.shape[-1])
        else:
            text = self.encode_caption(captions_BkNC.flatten(0, 1)).unflatten(0, shape)
        return Retrieved(motion, text, mask_BkT[..., step].to(motion.dtype))

    def encode_motion(self, motion_RTF: Tensor, mask_RT: Tensor) -> Tensor:
        """(R, T, D), every frame."""
        h = self.motion_proj(motion_RTF) + self.motion_pos_embedding[: motion_RTF.shape[1]]
        for block in self.motion_encoder_blocks:
            h = block(h, mask_RT)
        return h

    def encode_caption(self, tokens_RNC: Tensor) -> Tensor:
        """(R, 1, D)."""
        return self.text_encoder(self.caption_proj(tokens_RNC))[:, -1:]


def encoder(width: int, heads: int, hidden: int, layers: int, dropout: float) -> nn.TransformerEncoder:
    """A post-norm transformer encoder with GELU, batch first."""
    layer = nn.TransformerEncoderLayer(width, heads, hidden, dropout, "gelu", batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
