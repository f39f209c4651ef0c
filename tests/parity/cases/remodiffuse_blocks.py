"""ReMoDiffuse's blocks: stylization, feed-forward nets, attentions, timestep embedding, encoders of retrieved samples,
training loss."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gesturebench.common.nn.efficient_attention import EfficientCrossAttention, EfficientSelfAttention
from gesturebench.common.nn.positions import timestep_embedding
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.remodiffuse.attention import BaseMixedAttention, SemanticsModulatedAttention
from gesturebench.methods.remodiffuse.blocks import FeedForward, PlainFeedForward, PlainSelfAttention
from gesturebench.methods.remodiffuse.denoiser import reconstruction_loss
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig
from gesturebench.methods.remodiffuse.retrieval_encoders import RetrievalEncoders, Retrieved
from tests.parity.cases._rag_gesture import Arrays, filled
from tests.parity.cases._remodiffuse import BLOCK, encoders, flags, frame_mask
from tests.parity.frame import Check, Golden, case, near, same


def within(file: Arrays, block: str) -> dict[str, Tensor]:
    """The parameters of one block of a file."""
    return {k.removeprefix(f"{block}."): v for k, v in file.param.items() if k.startswith(f"{block}.")}


@case("remodiffuse/stylization_block.npz")
def stylization_block(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    block = filled(Stylization(f.config["latent_dim"], f.config["time_embed_dim"]), f.param)
    yield near("h", block(f.inputs["h"], f.inputs["emb"]), f.out["h"], BLOCK)


@case("remodiffuse/ffn.npz")
def ffn(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    sizes = f.config["latent_dim"], f.config["ffn_dim"]
    decoder = filled(FeedForward(*sizes, f.config["time_embed_dim"]), within(f, "decoder"))
    retrieval = filled(PlainFeedForward(*sizes), within(f, "retrieval"))
    yield near("decoder", decoder(f.inputs["x"], f.inputs["emb"]), f.out["decoder"], BLOCK)
    yield near("retrieval", retrieval(f.inputs["x"]), f.out["retrieval"], BLOCK)


@case("remodiffuse/efficient_attention.npz")
def efficient_attention(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    width, heads, time = (f.config[key] for key in ("latent_dim", "num_heads", "time_embed_dim"))
    x, emb, xf, mask = (f.inputs[key] for key in ("x", "emb", "xf", "src_mask"))
    plain = filled(PlainSelfAttention(width, heads), within(f, "self_plain"))
    yield near("self_plain", plain(x, mask[..., 0]), f.out["self_plain"], BLOCK)
    timed = filled(EfficientSelfAttention(width, heads, time), within(f, "self_time"))
    yield near("self_time", timed(x, timed.proj_out.scale_shift(emb), mask), f.out["self_time"], BLOCK)
    cross = EfficientCrossAttention(width, f.config["text_latent_dim"], heads, time)
    cross = filled(cross, within(f, "cross_time"))
    style, keep = cross.proj_out.scale_shift(emb), flags(f.inputs["cond_type"])[0]
    for name, context in {"uncond_none": cross.context(xf), "cond": cross.context(xf, keep)}.items():
        key = f"cross_time_{name}"
        yield near(key, x + cross(x, style, context, None), f.out[key], BLOCK)


@case("remodiffuse/sma_block.npz")
def sma_block(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    block = filled(SemanticsModulatedAttention(*_sizes(f)), f.param)
    retrieved = Retrieved(f.inputs["re_motion"], f.inputs["re_text"], f.inputs["re_mask"])
    rows = len(f.inputs["x"])
    codes = {name: torch.full((rows,), code) for name, code in f.config["cond_codes"].items()}
    for name, code in {**codes, "mixed_int": f.inputs["mixed_cond_type"]}.items():
        speech, retrieval = flags(code)
        x, xf, emb = (f.inputs[key] for key in ("x", "xf", "emb"))
        ours = block(x, xf, emb, f.inputs["src_mask"][..., 0], speech, retrieval, retrieved)
        yield near(name, ours, f.out[name], BLOCK)


@case("remodiffuse/base_mixed_attention.npz")
def base_mixed_attention(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    block = filled(BaseMixedAttention(*_sizes(f)), f.param)
    x, xf, emb, mask = (f.inputs[key] for key in ("x", "xf", "emb", "src_mask"))
    speech, _ = flags(f.inputs["cond_type"])
    yield near("x", block(x, xf, emb, mask[..., 0], speech), f.out["x"], BLOCK)


def _sizes(f: Arrays) -> tuple[int, ...]:
    return tuple(f.config[key] for key in ("latent_dim", "text_latent_dim", "num_heads", "time_embed_dim"))


@case("remodiffuse/timestep_embedding.npz")
def timesteps(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    for name, width in zip(f.out, f.config["dims"], strict=True):
        yield near(name, timestep_embedding(f.inputs["timesteps"], width), f.out[name])


@case("remodiffuse/retrieval_encoder.npz")
def retrieval_encoder(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    c, inputs = f.config, f.inputs
    config = DenoiserConfig(width=c["latent_dim"], retrieval=encoders(c, c["num_text_layers"], c["num_heads"]))
    captions = inputs["clip_seq_features"]
    net = RetrievalEncoders(
        config, features=c["input_feats"], frames=c["max_seq_len"], captions=captions.shape[-1]
    )  # fmt: skip
    index = inputs["indexes"]
    motions, lengths = inputs["motions"][index], inputs["m_lengths"][index]
    mask = frame_mask(lengths.flatten(), c["max_seq_len"]).unflatten(0, lengths.shape)
    ours = filled(net, f.param)(motions, mask, captions[index])
    yield near("re_motion", ours.motion, f.out["re_motion"], BLOCK)
    yield near("re_text", ours.text, f.out["re_text"], BLOCK)
    yield same("re_mask", ours.mask, f.out["re_mask"])
    yield near("raw_motion", motions.flatten(0, 1), f.out["raw_motion"])
    yield same("raw_motion_length", lengths.flatten(), f.out["raw_motion_length"])
    yield same("raw_motion_mask", mask.flatten(0, 1), f.out["raw_motion_mask"])


@case("remodiffuse/recon_loss.npz")
def recon_loss(golden: Golden) -> Iterator[Check]:
    f = Arrays.of(golden)
    yield near("loss", reconstruction_loss(f.inputs["pred"], f.inputs["target"], f.inputs["mask"]), f.out["loss"])
