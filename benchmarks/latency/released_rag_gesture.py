"""RAG-Gesture's sampling as the released code does it, restated plainly on the modules of this package.

Every step runs the conditional and the unconditional rows as one batch of 2 B, forms keys and values of all condition
rows anew in each layer, attends to 150 equal speaker rows, and projects the timestep in all 40 stylizations; windows
are inverted one at a time. Only the parameters are shared with what it is measured against.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.guidance import coarse_to_fine_weights
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.common.nn.efficient_attention import EfficientCrossAttention, EfficientSelfAttention
from gesturebench.common.nn.positions import timestep_embedding
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.rag_gesture.config import SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, DecoderLayer, Denoiser

FAR = -1_000_000.0
SPEAKER_ROWS = 150
COARSE, LATE = SamplingConfig().coarse_scale, SamplingConfig().late_weights


def stylized(block: Stylization, h: Tensor, emb: Tensor) -> Tensor:
    scale, shift = block.emb_layers(emb)[:, None].chunk(2, -1)
    return block.out_layers(block.norm(h) * (1 + scale) + shift)


def linear_attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """(R, T, D), (R, N, D), (R, N, D) -> (R, T, D)."""
    query = F.softmax(query.unflatten(-1, (heads, -1)), -1)
    key, value = F.softmax(key, 1).unflatten(-1, (heads, -1)), value.unflatten(-1, (heads, -1))
    context = torch.einsum("bnhd,bnhl->bhdl", key, value)
    return torch.einsum("bnhd,bhdl->bnhl", query, context).flatten(-2)


def attend_self(block: EfficientSelfAttention, x: Tensor, mask_RT1: Tensor, emb: Tensor) -> Tensor:
    key = block.key(block.norm(x)) + (1 - mask_RT1) * FAR
    value = block.value(block.norm(x)) * mask_RT1
    return x + stylized(block.proj_out, linear_attention(block.query(block.norm(x)), key, value, block.heads), emb)


def attend_condition(
    block: EfficientCrossAttention, x: Tensor, rows: Tensor, keep_R11: Tensor, query_mask: Tensor | None, emb: Tensor
) -> Tensor:
    key = block.key(block.text_norm(rows)) + (1 - keep_R11) * FAR
    value = block.value(block.text_norm(rows) * keep_R11)
    y = linear_attention(block.query(block.norm(x)), key, value, block.heads)
    if query_mask is not None:
        y = y + (1 - query_mask[:, None]) * FAR
    return x + stylized(block.proj_out, y, emb)


def through_layer(
    layer: DecoderLayer,
    x: Tensor,
    rows: Sequence[Tensor],
    keep: Tensor,
    masks: tuple[Tensor, Tensor | None],
    emb: Tensor,
) -> Tensor:
    x = attend_self(layer.sa_block, x, masks[0], emb)
    told = [
        attend_condition(block, x, own, keep, masks[1], emb)
        for block, own in zip(layer.ca_blocks.values(), rows, strict=True)
    ]
    x = layer.ca_mix(torch.cat(told, -1))
    ffn = layer.ffn
    return x + stylized(ffn.proj_out, ffn.linear2(F.gelu(ffn.linear1(x))), emb)


def guided(denoiser: Denoiser, told: Conditions, schedule: Schedule) -> Predict:
    """w conditional + (1 - w) unconditional, of one batch of both."""
    layout = denoiser.layout
    text, audio = denoiser.text_pre_proj(told.text), denoiser.audio_pre_proj(told.audio)
    speaker = denoiser.speaker_embedding(told.speaker[:, None].expand(-1, SPEAKER_ROWS))

    def predict(x: Tensor, index: int) -> Tensor:
        t, count = schedule.timesteps[index], len(x)
        both = [part.repeat(2, 1, 1) for part in (text, audio, speaker)]
        keep = torch.cat((torch.ones(count, 1, 1), torch.zeros(count, 1, 1)))
        masks = layout.mask()[None, :, None].repeat(2 * count, 1, 1), layout.query_mask(denoiser.config.query_mask)
        emb = denoiser.time_embed(timestep_embedding(torch.full((2 * count,), t), denoiser.config.width))
        h = denoiser.joint_embed(x.repeat(2, 1, 1)) + denoiser.positions_of_tokens()
        for layer in denoiser.temporal_decoder_blocks:
            h = through_layer(layer, h, both, keep, masks, emb)
        conditional, unconditional = denoiser.out(h).chunk(2)
        w, rest = coarse_to_fine_weights(t, coarse=COARSE, late=LATE)
        return w * conditional + rest * unconditional

    return predict


@torch.no_grad()
def sample(denoiser: Denoiser, noise: Tensor, told: Conditions, schedule: Schedule, change: Predict | None = None):
    return ddim.sample(guided(denoiser, told, schedule), noise, schedule, before_step=change)


@torch.no_grad()
def invert_one_by_one(denoiser: Denoiser, latents: Sequence[Tensor], told: Conditions, schedule: Schedule) -> Tensor:
    """(S, B, T, L)."""
    own = (guided(denoiser, told.rows(slice(row, row + 1)), schedule) for row in range(len(latents)))
    return torch.cat([ddim.invert(p, x[None], schedule) for p, x in zip(own, latents, strict=True)], 1)


def gradient_guidance(levels: Tensor, mask: Tensor, counts: Sequence[int], lr: float) -> Predict:
    """The loop as written, on the sum of squares: each update differentiates the gap inside the mask."""

    def change(x: Tensor, index: int) -> Tensor:
        for _ in range(counts[index]):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                (gap,) = torch.autograd.grad(((x * mask - levels[index]) ** 2).sum(), x)
            x = x.detach() - lr * gap
        return x

    return change


def attention(block: nn.MultiheadAttention, query: Tensor, memory: Tensor) -> Tensor:
    """As `nn.MultiheadAttention` by default: with the mean of all heads' weights, which nobody reads."""
    return F.multi_head_attention_forward(
        query, memory, memory, block.embed_dim, block.num_heads, block.in_proj_weight, block.in_proj_bias, None, None,
        False, 0.0, block.out_proj.weight, block.out_proj.bias, training=False, need_weights=True,
    )[0]  # fmt: skip


@torch.no_grad()
def decode(vae: PartVAE, z_BKD: Tensor) -> Tensor:
    """Sequence first: zero queries with positions through 29 layers."""
    frames = z_BKD.shape[1] * vae.config.chunk
    memory = vae.mem_pos_decoder(z_BKD).transpose(0, 1)
    queries = vae.query_pos_decoder(z_BKD.new_zeros(len(z_BKD), frames, z_BKD.shape[2])).transpose(0, 1)

    def through(layer: nn.Module, x: Tensor) -> Tensor:
        x = layer.norm1(x + attention(layer.self_attn, x, x))
        x = layer.norm2(x + attention(layer.multihead_attn, x, memory))
        return layer.norm3(x + layer.linear2(F.gelu(layer.linear1(x))))

    return vae.final_layer(vae.decoder.walk(queries, through)).transpose(0, 1)
