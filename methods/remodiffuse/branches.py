"""The four branches at inference, and nothing computed twice.

The same function of the same parameters as `denoiser.py`, whose layers are written for training and reading. Here
(equal in exact arithmetic, and to about 1e-6 in float32)

* prompt and retrieved samples depend neither on x nor on t: per layer and head their keys and values are reduced once
  to (max, sum of exp, sum of exp times value); a step reduces the motion alone and merges the blocks;
* e_t and the scale and shift of every stylization, its norm's included, are one table per timestep and style;
* queries, keys and values of the first layer are formed once for all branches that are given the same frames;
* query, key and value of the motion share one LayerNorm;
* weights are prepacked for the number of rows that they meet (`PrepackedLinear`), and clips pass a few at a time, so
  that what a layer works on stays in the cache.

Legend as in `blocks.py`; besides S timesteps, U distinct styles, R rows (B per branch, branch after branch), d = D / H.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from gesturebench.common.nn.efficient_attention import MASKED, attend_by_head
from gesturebench.common.nn.packed import PrepackedLinear, bare_norm
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.remodiffuse.attention import SemanticsModulatedAttention, Source
from gesturebench.methods.remodiffuse.denoiser import CONDITIONS, DecoderLayer, Denoiser
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved

CACHED = 1 << 18
"""Numbers of a layer's input that are worked on at once: 1 MB. Four clips of 196 frames at width 512 take 5.2 s each
together and 5.0 s one by one (50 steps, one core, 1 MB of cache).
"""


class Branches(Protocol):
    """Predictions of some clips, whose conditions are known to it."""

    def predict(self, x_BTF: Tensor, step: int, needed: Sequence[str]) -> dict[str, Tensor]:
        """x0 (B, T, features) of each needed branch (`both`, `text`, `retr`, `none`) at `timesteps[step]`; without
        backward gradients, but forward-mode derivatives pass."""


def prepared(
    denoiser: Denoiser,
    prompt_BNL: Tensor,
    retrieved: Retrieved | None,
    mask_BT: Tensor,
    extra_BTD: Tensor | None,
    style_BE: Tensor | None,
    timesteps: Sequence[int],
) -> Branches:
    """The branches of clips with these conditions, as fast as the denoiser's attention allows."""
    kind = PreparedBranches if denoiser.config.attention == "linear" else PlainBranches
    return kind(denoiser, prompt_BNL, retrieved, mask_BT, extra_BTD, style_BE, timesteps)


class PlainBranches:
    """One call of the network per branch."""

    def __init__(
        self,
        denoiser: Denoiser,
        prompt_BNL: Tensor,
        retrieved: Retrieved | None,
        mask_BT: Tensor,
        extra_BTD: Tensor | None,
        style_BE: Tensor | None,
        timesteps: Sequence[int],
    ):
        """As `PreparedBranches`."""
        self._denoiser, self._told, self._timesteps = denoiser, (prompt_BNL, retrieved), tuple(timesteps)
        self._mask, self._extra, self._style = mask_BT, extra_BTD, style_BE

    @torch.no_grad()
    def predict(self, x_BTF: Tensor, step: int, needed: Sequence[str]) -> dict[str, Tensor]:
        t = torch.full((len(x_BTF),), self._timesteps[step], device=x_BTF.device)
        predictions = {}
        for name in needed:
            speech, retrieval = CONDITIONS[name]
            extra = self._extra if speech else None
            predictions[name] = self._denoiser(
                x_BTF, t, *self._told, speech, retrieval, self._mask, extra, self._style
            )  # fmt: skip
        return predictions


class Reduced(NamedTuple):
    """A block of tokens as a linear attention needs it: per channel of the keys the largest, the sum of exp(key - it)
    (R, H, d, 1), and the sum of exp(key - it) value^T (R, H, d, d). No tokens: -inf, 0, 0.
    """

    largest: Tensor
    total: Tensor
    product: Tensor

    @classmethod
    def of(cls, key_RNHd: Tensor, value_RNHd: Tensor) -> "Reduced":
        largest = key_RNHd.amax(1)
        weight = (key_RNHd - largest[:, None]).exp_()
        product = weight.permute(0, 2, 3, 1) @ value_RNHd.transpose(1, 2)
        return cls(largest[..., None], weight.sum(1)[..., None], product)

    @classmethod
    def nothing(cls, rows: int, heads: int, width: int, like: Tensor) -> "Reduced":
        zero = like.new_zeros(rows, heads, width, 1)
        return cls(zero - torch.inf, zero, like.new_zeros(rows, heads, width, width))

    def merged(self, other: "Reduced") -> "Reduced":
        """Both blocks as one: sums move to the larger maximum (log-sum-exp). At most one may be empty."""
        largest = torch.maximum(self.largest, other.largest)
        own, its = (self.largest - largest).exp(), (other.largest - largest).exp()
        total = self.total * own + other.total * its
        return Reduced(largest, total, torch.addcmul(other.product * its, self.product, own))

    def context(self) -> Tensor:
        """softmax over the tokens(K)^T V: (R, H, d, d)."""
        return self.product / self.total

    def rows(self, index: Tensor) -> "Reduced":
        return Reduced(self.largest[index], self.total[index], self.product[index])


class PreparedBranches:
    """`predict(x, step, needed)`: see `Branches`."""

    @torch.no_grad()
    def __init__(
        self,
        denoiser: Denoiser,
        prompt_BNL: Tensor,
        retrieved: Retrieved | None,
        mask_BT: Tensor,
        extra_BTD: Tensor | None,
        style_BE: Tensor | None,
        timesteps: Sequence[int],
    ):
        """The conditions of B clips: `prompt` and `retrieved` as encoded; `extra` is added to the frames of branches
        with speech, `style` to e_t of all; `timesteps` are original ones."""
        blocks, clips = denoiser.temporal_decoder_blocks, len(prompt_BNL)
        self._layers = [FastLayer(block) for block in blocks]
        self._told = [_told(block.ca_block, prompt_BNL, retrieved) for block in blocks]
        self._embed, self._out = (Affine.of(m) for m in (denoiser.joint_embed, denoiser.out))
        self._positions, self._extra = denoiser.sequence_embedding[: mask_BT.shape[1]], extra_BTD
        self._styles, self._style_B = _styles(denoiser, timesteps, style_BE, clips)
        self._push_BT11 = None if bool(mask_BT.all()) else (1 - mask_BT.to(prompt_BNL))[..., None, None] * MASKED
        self._clips = torch.arange(clips, device=prompt_BNL.device)
        self._linears = [PrepackedLinear() for _ in CONDITIONS]

    @torch.no_grad()
    def predict(self, x_BTF: Tensor, step: int, needed: Sequence[str]) -> dict[str, Tensor]:
        linear = F.linear if _is_dual(x_BTF) else self._linears[len(needed) - 1]
        at_once = len(x_BTF) if x_BTF.is_cuda else CACHED // (len(needed) * self._positions.numel())
        parts = self._clips.split(max(at_once, 1))
        passes = [self._pass(x_BTF[clips], clips, self._styles[step], needed, linear) for clips in parts]
        predictions = zip(*(x0.split(len(clips)) for x0, clips in zip(passes, parts, strict=True)), strict=True)
        return {name: torch.cat(of_branch) for name, of_branch in zip(needed, predictions, strict=True)}

    def _pass(self, x_CTF: Tensor, clips_C: Tensor, styles: Tensor, needed: Sequence[str], linear: "Linear") -> Tensor:
        """(R, T, features) of some clips."""
        x, source = self._given(linear(x_CTF, *self._embed) + self._positions, clips_C, needed)
        told = torch.cat([tuple(CONDITIONS).index(name) * len(self._clips) + clips_C for name in needed])
        push = None if self._push_BT11 is None else self._push_BT11[clips_C]
        if len(styles) > 1:
            styles = styles[self._style_B[clips_C].repeat(len(needed))]
        for k, layer in enumerate(self._layers):
            x = layer(x, source if k == 0 else None, styles[:, k], self._told[k].rows(told), push, linear)
        return linear(x, *self._out)

    def _given(self, frames_CTD: Tensor, clips_C: Tensor, needed: Sequence[str]) -> tuple[Tensor, Tensor]:
        """What goes into the first layer, once for all branches that share it, and which of its rows each row takes."""
        with_speech = [self._extra is not None and CONDITIONS[name][0] for name in needed]
        kinds, row = sorted(set(with_speech)), torch.arange(len(clips_C), device=clips_C.device)
        given = torch.cat([frames_CTD + self._extra[clips_C] if kind else frames_CTD for kind in kinds])
        return given, torch.cat([kinds.index(kind) * len(clips_C) + row for kind in with_speech])


class Affine(NamedTuple):
    """Weight and bias of a linear map."""

    weight_NK: Tensor
    bias_N: Tensor

    @classmethod
    def of(cls, linear: nn.Linear) -> "Affine":
        return cls(linear.weight, linear.bias)


Linear = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x, weight, bias) -> x weight^T + bias."""


def _is_dual(x: Tensor) -> bool:
    """Whether a forward-mode derivative travels along with x; prepacked products have none."""
    return forward_ad.unpack_dual(x).tangent is not None


class FastLayer:
    """A decoder layer for inference."""

    def __init__(self, layer: DecoderLayer):
        own, ffn = layer.ca_block, layer.ffn
        self._heads, self._norm = own.heads, own.norm
        self._qkv = tuple(Affine.of(m) for m in (own.query, own.key_motion, own.value_motion))
        self._linear1, self._linear2 = Affine.of(ffn.linear1), Affine.of(ffn.linear2)
        self._attended, self._ffn_out = (Affine.of(block.out_layers[2]) for block in (own.proj_out, ffn.proj_out))

    def __call__(
        self,
        x_RTD: Tensor,
        source_R: Tensor | None,
        styles_U22D: Tensor,
        told: Reduced,
        push_CT11: Tensor | None,
        linear: Linear,
    ) -> Tensor:
        """`source`: the row of x that each row of the result comes from, where branches share rows; styles of the
        attention and of the feed-forward net, one for all rows or one each; `push` takes masked frames out of sight:
        their weight is zero, so that their values need no mask."""
        n = F.layer_norm(x_RTD, x_RTD.shape[-1:], self._norm.weight, self._norm.bias, self._norm.eps)
        query, key, value = (linear(n, *affine).unflatten(-1, (self._heads, -1)) for affine in self._qkv)
        if push_CT11 is not None:
            key.add_(push_CT11.repeat(len(key) // len(push_CT11), 1, 1, 1))
        motion = Reduced.of(key, value)
        if source_R is not None:
            x_RTD, query, motion = x_RTD[source_R], query[source_R], motion.rows(source_R)
        y = attend_by_head(query, motion.merged(told).context()).flatten(-2)
        x = linear(_stylized(y, styles_U22D[:, 0]), *self._attended).add_(x_RTD)
        y = linear(F.gelu(linear(x, *self._linear1)), *self._linear2)
        return linear(_stylized(y, styles_U22D[:, 1]), *self._ffn_out).add_(x)


def _told(block: SemanticsModulatedAttention, prompt_BNL: Tensor, retrieved: Retrieved | None) -> Reduced:
    """What each branch knows beside the motion, rows in the order of `CONDITIONS`."""
    every = prompt_BNL.new_ones(len(prompt_BNL))
    prompt = _reduced(block.of_prompt(prompt_BNL, every), block.heads)
    nothing = Reduced.nothing(*prompt.product.shape[:3], prompt.product)
    if retrieved is None:
        branches = prompt, prompt, nothing, nothing
    else:
        borrowed = _reduced(block.of_retrieved(retrieved, every), block.heads)
        branches = prompt.merged(borrowed), prompt, borrowed, nothing
    return Reduced(*(torch.cat(parts) for parts in zip(*branches, strict=True)))


def _reduced(source: Source, heads: int) -> Reduced:
    key, value = (rows.unflatten(-1, (heads, -1)) for rows in (source.pushed(), source.value * source.seen))
    return Reduced.of(key, value)


def _styles(denoiser: Denoiser, timesteps: Sequence[int], style_BE: Tensor | None, clips: int) -> tuple[Tensor, Tensor]:
    """(S, U, layers, 2, 2, D): scale and shift of the bare norm in both stylizations of every layer; and each clip's
    style (B,) among the U.

    (g n + b)(1 + scale) + shift is n times g (1 + scale), plus b (1 + scale) + shift.
    """
    emb = denoiser.time_embedding(torch.tensor(list(timesteps), device=denoiser.out.weight.device))[:, None]
    of_clip = torch.zeros(clips, dtype=torch.long, device=emb.device)
    if style_BE is not None:
        distinct, of_clip = style_BE.unique(dim=0, return_inverse=True)
        emb = emb + distinct
    layers = []
    for layer in denoiser.temporal_decoder_blocks:
        folded = [_folded(block, emb) for block in (layer.ca_block.proj_out, layer.ffn.proj_out)]
        layers.append(torch.stack(folded, 2))
    return torch.stack(layers, 2), of_clip


def _folded(block: Stylization, emb_SUE: Tensor) -> Tensor:
    """(S, U, 2, D)."""
    scale, shift = block.scale_shift(emb_SUE).chunk(2, -1)
    return torch.stack((block.norm.weight * (1 + scale), block.norm.bias * (1 + scale) + shift), 2)


def _stylized(y_RTD: Tensor, style_U2D: Tensor) -> Tensor:
    if len(style_U2D) == 1:
        scale, shift = style_U2D[0]
        return F.silu(F.layer_norm(y_RTD, scale.shape, scale, shift), inplace=True)
    scale, shift = style_U2D[:, :, None].unbind(1)
    return F.silu(torch.addcmul(shift, bare_norm(y_RTD), scale), inplace=True)
