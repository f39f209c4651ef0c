"""The denoiser at inference: both predictions of classifier-free guidance in one pass, and nothing computed twice.

The same function of the same parameters as `denoiser.py`, whose layers are written for training and reading. Here
(equal in exact arithmetic, and to about 1e-6 in float32; Mughal et al. 2025 evaluate the network twice per step)

* the conditional and the unconditional rows share every matrix product, and the first self-attention altogether (on
  a CPU with several threads each half has threads of its own instead: they meet once a step, not at every operator);
* scale and shift of a stylization, its norm's included, are one table per timestep;
* ca_mix acts on x + out(s): out is folded into ca_mix, one product fewer per condition;
* what ca_mix makes of the speaker and of dropped conditions is a table per clip or model, two rows per layer and step;
* keys times values of text and audio are formed once per clip, and attention is a product per head.

Legend: S timesteps, B clips, R rows (B conditional, then B unconditional), T tokens, D width, H heads, d = D / H,
K kinds of tokens: kept, and pushed away by the query mask where there is one.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gesturebench.common.fingerprint import tensors_fingerprint
from gesturebench.common.nn.efficient_attention import (
    MASKED,
    EfficientCrossAttention,
    attend_by_head,
    head_contexts,
)
from gesturebench.common.nn.packed import Packed, after_norm, bare_norm, joined, packed
from gesturebench.common.nn.stylization import Stylization
from gesturebench.common.threads import spread
from gesturebench.methods.rag_gesture.config import ComputeConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, DecoderLayer, Denoiser

Predictions = tuple[Tensor, Tensor | None]
"""x0 (B, T, L) with and without the conditions; the second None where it was not asked for."""


class Told(NamedTuple):
    """What the steps need of a clip: per layer contexts (B, 2H, d, d) of text and audio, and (S, layers, R, K, D)
    constants, the part of ca_mix that does not depend on x.
    """

    contexts: tuple[Tensor, ...]
    constants: Tensor


class Branches:
    """`branches(x, index, told)`: both predictions at timestep `timesteps[index]`; without gradients."""

    @torch.no_grad()
    def __init__(self, denoiser: Denoiser, timesteps: Sequence[int], compute: ComputeConfig | None = None):
        compute = compute or ComputeConfig()
        dtype = getattr(torch, compute.precision)
        self._denoiser = denoiser
        blocks = denoiser.temporal_decoder_blocks
        self._layers = [PackedLayer(block, denoiser.layout.slots, denoiser.query_mask, dtype) for block in blocks]
        self._embed, self._out = (packed(m.weight, m.bias, dtype) for m in (denoiser.joint_embed, denoiser.out))
        self._positions = denoiser.positions_of_tokens()
        t = torch.tensor(list(timesteps), device=self._positions.device)
        emb = denoiser.time_embedding(t)
        self._styles = torch.stack([_styles(block, emb) for block in blocks], 1)
        self._dropped = torch.stack(
            [layer.dropped(self._styles[:, k]) for k, layer in enumerate(self._layers)], 1
        )  # (S, layers, K, D)
        self._run = self._compiled() if compute.compile else self._pass
        self._apart = t.device.type == "cpu" and not compute.compile

    def _compiled(self) -> Callable[..., Tensor]:
        """The norm of pushed tokens is left as it is: another order of its sums changes them by a tenth."""
        for layer in self._layers:
            layer.norm_of_pushed = torch.compiler.disable(layer.norm_of_pushed)
        return torch.compile(self._pass)

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the weights."""
        return tensors_fingerprint(self._denoiser.state_dict())

    @torch.no_grad()
    def told(self, conditions: Conditions) -> Told:
        """Once per clip, on the device of the network."""
        text, audio, speaker = self._denoiser.projected(conditions)
        contexts = tuple(layer.contexts(text, audio) for layer in self._layers)
        known = [layer.known(speaker, self._styles[:, k]) for k, layer in enumerate(self._layers)]
        conditional = torch.stack(known, 1)  # (S, layers, B, K, D)
        unconditional = self._dropped[:, :, None].expand_as(conditional)
        return Told(contexts, torch.cat((conditional, unconditional), 2))

    def __call__(self, x_BTL: Tensor, index: int, told: Told, unconditional: bool = True) -> Predictions:
        """`unconditional` False leaves that half of the work undone, for steps that weigh it with zero."""
        rows, styles, constants = len(x_BTL), self._styles[index], told.constants[index]
        if unconditional and self._apart and torch.get_num_threads() > 1:
            halves = (constants[:, :rows], told.contexts), (constants[:, rows:], None)
            return tuple(spread([partial(self._run, x_BTL, styles, *half) for half in halves]))
        y = self._run(x_BTL, styles, constants if unconditional else constants[:, :rows], told.contexts)
        return y[:rows], y[rows:] if unconditional else None

    @torch.no_grad()
    def _pass(self, x_BTL: Tensor, styles: Tensor, constants: Tensor, contexts: tuple[Tensor, ...] | None) -> Tensor:
        """(R, T, L). Up to the first cross-attention all rows of a clip are equal."""
        x = self._embed(x_BTL) + self._positions
        for k, layer in enumerate(self._layers):
            x = layer.self_attention(x, styles[k, SELF])
            if len(x) < constants.shape[1]:
                x = x.repeat(2, 1, 1)
            x = layer.mixed(x, styles[k], constants[k], None if contexts is None else contexts[k])
            x = layer.feed_forward(x, styles[k, FEED_FORWARD])
        return self._out(x)


SELF, TEXT, AUDIO, SPEAKER, FEED_FORWARD = range(5)
"""Rows of a layer's styles (S, 5, 2, D): scale and shift of the bare norm in each stylization."""


def _styles(layer: DecoderLayer, emb_SE: Tensor) -> Tensor:
    """(g n + b)(1 + scale) + shift is n times g (1 + scale), plus b (1 + scale) + shift: (S, 5, 2, D)."""
    styles = []
    for style, block in zip(layer.style(emb_SE), layer.stylizations(), strict=True):
        scale, shift = style.chunk(2, -1)
        styles.append(torch.stack((block.norm.weight * (1 + scale), block.norm.bias * (1 + scale) + shift), 1))
    return torch.stack(styles, 1)


class PackedLayer:
    """A decoder layer with its weights folded and laid out."""

    def __init__(self, layer: DecoderLayer, slots: int, query_mask_T: Tensor | None, dtype: torch.dtype):
        own, self._cross, ffn = layer.sa_block, tuple(layer.ca_blocks.values()), layer.ffn
        self._heads, self._slots, self._norm = own.heads, slots, own.norm
        self._qkv = joined((own.query, own.key, own.value), dtype)
        self._attended = _out(own.proj_out, dtype)
        self._queries = _queries(self._cross[:2], dtype)
        self._kept, self._told, self._speaker, self._mix_bias = _folded_mix(layer, dtype)
        self._linear1, self._linear2 = (packed(m.weight, m.bias, dtype) for m in (ffn.linear1, ffn.linear2))
        self._ffn_out = _out(ffn.proj_out, dtype)
        self.norm_of_pushed = _norm_of_pushed
        self._push = None if query_mask_T is None else ((1 - query_mask_T) * MASKED)[:, None, None]
        pushes = [0.0] if query_mask_T is None else [0.0, MASKED]
        self._pushes_K1 = own.norm.weight.new_tensor(pushes)[:, None]
        self._kind_T = own.norm.weight.new_zeros(0) if query_mask_T is None else (1 - query_mask_T).long()

    def self_attention(self, x_RTD: Tensor, style_2D: Tensor) -> Tensor:
        """Separators, every (slots + 1)-th token, are not looked at."""
        n = F.layer_norm(x_RTD, x_RTD.shape[-1:], self._norm.weight, self._norm.bias, self._norm.eps)
        query, key, value = self._qkv(n).unflatten(-1, (3, self._heads, -1)).unbind(-3)
        key[:, self._slots :: self._slots + 1] = MASKED
        y = attend_by_head(query, head_contexts(key, value))
        return self._attended(_stylized(y.flatten(-2), style_2D)).add_(x_RTD)

    def mixed(self, x_RTD: Tensor, style_52D: Tensor, constant_RKD: Tensor, contexts: Tensor | None) -> Tensor:
        """ca_mix of the three cross-attentions of x: of text and audio for the rows that have contexts, the first B of
        them; the rest is constant.
        """
        x = self._kept.add_to(self._by_token(constant_RKD, x_RTD.shape[1]), x_RTD)
        if contexts is not None:
            rows = len(contexts)
            self._told.add_to(x[:rows], self._looked_up(x_RTD[:rows], style_52D, contexts))
        return x

    def _looked_up(self, x_BTD: Tensor, style_52D: Tensor, contexts: Tensor) -> Tensor:
        """(B, T, 2D): what text and audio answer, stylized, before the maps that `_told` holds."""
        query = self._queries(bare_norm(x_BTD)).unflatten(-1, (2 * self._heads, -1))
        y = attend_by_head(query, contexts).flatten(-2).unflatten(-1, (2, -1))
        n = bare_norm(y) if self._push is None else self.norm_of_pushed(y, self._push)
        scale, shift = style_52D[TEXT : AUDIO + 1].unbind(1)
        return F.silu(torch.addcmul(shift, n, scale), inplace=True).flatten(-2)

    def _by_token(self, constant_RKD: Tensor, tokens: int) -> Tensor:
        """(R, T, D), a fresh tensor."""
        if self._push is None:
            return constant_RKD.repeat(1, tokens, 1)
        return constant_RKD[:, self._kind_T]

    def feed_forward(self, x_RTD: Tensor, style_2D: Tensor) -> Tensor:
        y = self._linear2(F.gelu(self._linear1(x_RTD)))
        return self._ffn_out(_stylized(y, style_2D)).add_(x_RTD)

    def contexts(self, text_BND: Tensor, audio_BMD: Tensor) -> Tensor:
        """(B, 2H, d, d)."""
        found = []
        for block, rows in zip(self._cross[:2], (text_BND, audio_BMD), strict=True):
            n = block.text_norm(rows)
            key, value = (m(n).unflatten(-1, (self._heads, -1)) for m in (block.key, block.value))
            found.append(head_contexts(key, value))
        return torch.cat(found, 1)

    def known(self, speaker_B1D: Tensor, styles_S52D: Tensor) -> Tensor:
        """(S, B, K, D): the share of ca_mix of a clip that x does not change."""
        answer = self._cross[2].answer_of_one(speaker_B1D)
        return self._of_speaker(answer, styles_S52D) + self._mix_bias

    def dropped(self, styles_S52D: Tensor) -> Tensor:
        """(S, K, D): all of ca_mix but the share of x, where every condition is dropped."""
        total = self._of_speaker(self._cross[2].dropped(), styles_S52D)[:, 0] + self._mix_bias
        text, audio = (
            _table(block.dropped() + self._pushes_K1, styles_S52D[:, row])
            for row, block in zip((TEXT, AUDIO), self._cross[:2], strict=True)
        )
        return self._told.add_to(total, torch.cat((text, audio), -1)[:, 0])

    def _of_speaker(self, answer_B1D: Tensor, styles_S52D: Tensor) -> Tensor:
        return self._speaker(_table(answer_B1D + self._pushes_K1, styles_S52D[:, SPEAKER]))


def _table(y_BKD: Tensor, style_S2D: Tensor) -> Tensor:
    """(S, B, K, D): SiLU of the stylized y at every timestep."""
    scale, shift = style_S2D[:, :, None, None].unbind(1)
    return F.silu(torch.addcmul(shift, bare_norm(y_BKD), scale))


def _norm_of_pushed(y: Tensor, push: Tensor) -> Tensor:
    """Near -10^6 float32 keeps steps of 0.06 of y, so the result hangs on the order of the norm's own sums."""
    return bare_norm(y + push)


def _stylized(y_RTD: Tensor, style_2D: Tensor) -> Tensor:
    scale, shift = style_2D
    return F.silu(F.layer_norm(y_RTD, scale.shape, scale, shift), inplace=True)


def _out(block: Stylization, dtype: torch.dtype) -> Packed:
    last: nn.Linear = block.out_layers[2]
    return packed(last.weight, last.bias, dtype)


def _queries(blocks: Sequence[EfficientCrossAttention], dtype: torch.dtype) -> Packed:
    """The queries of several cross-attentions from one bare norm."""
    weights, biases = zip(*(after_norm(block.norm, block.query) for block in blocks), strict=True)
    return packed(torch.cat(weights), torch.cat(biases), dtype)


def _folded_mix(layer: DecoderLayer, dtype: torch.dtype) -> tuple[Packed, Packed, Packed, Tensor]:
    """ca_mix [x + out_1(s_1), x + out_2(s_2), x + out_3(s_3)] as maps of x, of [s_1, s_2], of s_3, and the biases.

    W_i (O_i s_i + o_i) = (W_i O_i) s_i + W_i o_i, formed in float64.
    """
    mixes = layer.ca_mix.weight.double().chunk(3, 1)
    outs = [block.proj_out.out_layers[2] for block in layer.ca_blocks.values()]
    folded = [mix @ out.weight.double() for mix, out in zip(mixes, outs, strict=True)]
    bias = layer.ca_mix.bias.double() + sum(mix @ out.bias.double() for mix, out in zip(mixes, outs, strict=True))
    kept = packed(sum(mixes), dtype=dtype)
    return kept, packed(torch.cat(folded[:2], 1), dtype=dtype), packed(folded[2], dtype=dtype), bias.float()
