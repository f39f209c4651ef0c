"""ReMoDiffuse's sampling as the released code does it, restated plainly on the modules of this package.

Every step runs all four branches as one batch of 4 B, forms keys and values of prompt and retrieved samples anew in
each layer, attends over all tokens side by side, projects the timestep in all stylizations, and then weighs two of the
four branches with zero. Only the parameters are shared with what it is measured against.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.mixture import ConditionMixture
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.common.nn.positions import timestep_embedding
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.remodiffuse.attention import SemanticsModulatedAttention
from gesturebench.methods.remodiffuse.denoiser import CONDITIONS, Denoiser
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved

FAR = -1_000_000.0


def stylized(block: Stylization, h: Tensor, emb: Tensor) -> Tensor:
    scale, shift = block.emb_layers(emb)[:, None].chunk(2, -1)
    return block.out_layers(block.norm(h) * (1 + scale) + shift)


def attended(
    block: SemanticsModulatedAttention,
    x: Tensor,
    prompt: Tensor,
    emb: Tensor,
    mask_RT1: Tensor,
    seen: tuple[Tensor, Tensor],
    told: Retrieved,
) -> Tensor:
    speech, retrieval = seen
    text = told.text.repeat(1, 1, told.motion.shape[2], 1)
    keys = torch.cat((told.motion, text), -1).flatten(1, 2)
    motion, real = told.motion.flatten(1, 2), told.mask.flatten(1)[..., None]
    key = torch.cat(
        (
            block.key_text(block.text_norm(prompt)) + (1 - speech) * FAR,
            block.key_retr(block.retr_norm1(keys)) + (1 - retrieval) * FAR + (1 - real) * FAR,
            block.key_motion(block.norm(x)) + (1 - mask_RT1) * FAR,
        ),
        1,
    )
    value = torch.cat(
        (
            block.value_text(block.text_norm(prompt)) * speech,
            block.value_retr(block.retr_norm2(motion)) * retrieval * real,
            block.value_motion(block.norm(x)) * mask_RT1,
        ),
        1,
    )
    query = F.softmax(block.query(block.norm(x)).unflatten(-1, (block.heads, -1)), -1)
    key = F.softmax(key, 1).unflatten(-1, (block.heads, -1))
    context = torch.einsum("bnhd,bnhl->bhdl", key, value.unflatten(-1, (block.heads, -1)))
    return x + stylized(block.proj_out, torch.einsum("bnhd,bhdl->bnhl", query, context).flatten(-2), emb)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise_BTF: Tensor,
    prompt: Tensor,
    retrieved: Retrieved,
    mask_BT: Tensor,
    schedule: Schedule,
    mixture: ConditionMixture,
    coins: Sequence[int],
) -> Tensor:
    clips, branches = len(noise_BTF), len(CONDITIONS)
    flags = torch.tensor(list(CONDITIONS.values()), dtype=torch.float32).repeat_interleave(clips, 0)
    seen = tuple(flag[:, None, None] for flag in flags.unbind(1))
    prompt, mask = prompt.repeat(branches, 1, 1), mask_BT.repeat(branches, 1)[..., None]
    told = Retrieved(*(part.repeat(branches, *[1] * (part.ndim - 1)) for part in retrieved))

    def predict(x: Tensor, index: int) -> Tensor:
        t = torch.full((branches * clips,), schedule.timesteps[index])
        emb = denoiser.time_embed(timestep_embedding(t, denoiser.config.width))
        h = denoiser.joint_embed(x.repeat(branches, 1, 1)) + denoiser.sequence_embedding[: x.shape[1]]
        for layer in denoiser.temporal_decoder_blocks:
            h = attended(layer.ca_block, h, prompt, emb, mask, seen, told)
            h = h + stylized(layer.ffn.proj_out, layer.ffn.linear2(F.gelu(layer.ffn.linear1(h))), emb)
        weights = mixture.weights(index, coins[index]).tolist()
        return sum(w * part for w, part in zip(weights, denoiser.out(h).chunk(branches), strict=True))

    return ddim.sample(predict, noise_BTF, schedule)
