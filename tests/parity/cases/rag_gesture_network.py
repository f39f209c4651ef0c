"""RAG-Gesture's blocks and network, its guidance weights, and the training loss with its gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.diffusion.guidance import coarse_to_fine_weights, mixed
from gesturebench.common.nn.efficient_attention import EfficientCrossAttention, EfficientSelfAttention, attend
from gesturebench.common.nn.positions import timestep_embedding
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.rag_gesture.branches import Branches
from gesturebench.methods.rag_gesture.config import DenoiserConfig, PartWeights, SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import DecoderLayer, FeedForward
from gesturebench.methods.rag_gesture.fitting import denoising_losses
from gesturebench.methods.rag_gesture.sampler import token_scale
from tests.parity.cases._rag_gesture import BLOCK, FOREIGN_PARTS, KINDS, MASKED, Arrays, SmallNetwork, filled
from tests.parity.frame import Check, Golden, case, near, same


@case("rag_gesture/timestep_embedding.npz")
def time(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    yield near("emb", timestep_embedding(g.inputs["t"], g.config["dim"]), g.out["emb"])


@case("rag_gesture/stylization_block.npz")
@torch.no_grad()
def stylization(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    c = g.config
    block = filled(Stylization(c["latent_dim"], c["time_embed_dim"]), g.param)
    yield near("y", block(g.inputs["h"], g.inputs["emb"]), g.out["y"])


@case("rag_gesture/ffn.npz")
@torch.no_grad()
def feed_forward(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    c = g.config
    block = filled(FeedForward(c["latent_dim"], c["ffn_dim"], c["time_embed_dim"]), g.param)
    yield near("y", block(g.inputs["x"], block.proj_out.scale_shift(g.inputs["emb"])), g.out["y"])


@case("rag_gesture/self_attention.npz")
@torch.no_grad()
def self_attention(golden: Golden) -> Iterator[Check]:
    g = Arrays.of(golden)
    c = g.config
    block = filled(EfficientSelfAttention(c["latent_dim"], c["num_heads"], c["time_embed_dim"]), g.param)
    style = block.proj_out.scale_shift(g.inputs["emb"])
    yield near("y", block(g.inputs["x"], style, g.inputs["src_mask"]), g.out["y"])


@case("rag_gesture/cross_attention.npz")
@torch.no_grad()
def cross_attention(golden: Golden) -> Iterator[Check]:
    """With dropped rows, with dropped rows and masked queries, and with neither."""
    g = Arrays.of(golden)
    c = g.config
    width = c["latent_dim"]
    block = filled(EfficientCrossAttention(width, c["text_latent_dim"], c["num_heads"], c["time_embed_dim"]), g.param)
    x, xf, keep, query_mask = g.inputs["x"], g.inputs["xf"], kept(g.inputs["cond_type"]), g.inputs["query_mask"][0]
    style = block.proj_out.scale_shift(g.inputs["emb"])
    yield near("y_nomask", x + block(x, style, block.context(xf, keep), None), g.out["y_nomask"])
    yield near("y_masked", x + block(x, style, block.context(xf, keep), query_mask), g.out["y_masked"], MASKED)
    yield near("y_nocond_type", x + block(x, style, block.context(xf), None), g.out["y_nocond_type"])


def kept(cond_type: Tensor) -> Tensor:
    """(B,) bool: a row's conditions are dropped where its number is a multiple of ten."""
    return cond_type[:, 0, 0] % 10 > 0


@case("rag_gesture/decoder_layer.npz")
@torch.no_grad()
def decoder_layer(golden: Golden) -> Iterator[Check]:
    """The speaker's rows differ here, so it has to attend like the other conditions; in the network they are equal."""
    g = Arrays.of(golden)
    c = g.config
    heads, inputs = c["num_heads"], g.inputs
    config = DenoiserConfig(
        width=c["latent_dim"], heads=heads, time_width=c["time_embed_dim"], feed_forward=c["ffn_dim"]
    )
    layer = filled(DecoderLayer(config), g.param)
    style, keep = layer.style(inputs["emb"]), kept(inputs["cond_type"])
    text, audio, _ = layer.answers(inputs["xf_text"], inputs["xf_audio"], inputs["xf_spk"][:, :1], keep)
    speaker = layer.ca_blocks["xf_spk"]
    after = layer.sa_block(inputs["x"], style.attention, inputs["src_mask"])
    answer = attend(speaker.query(speaker.norm(after)), speaker.context(inputs["xf_spk"], keep), heads)
    for name, query_mask, tolerance in (("nomask", None, BLOCK), ("masked", inputs["query_mask"][0], MASKED)):
        y = layer(inputs["x"], style, (text, audio, answer), inputs["src_mask"], query_mask)
        yield near(f"y_{name}", y, g.out[f"y_{name}"], tolerance)


@case("rag_gesture/denoiser.npz")
@torch.no_grad()
def denoiser(golden: Golden) -> Iterator[Check]:
    small = SmallNetwork(golden)
    inputs, out = small.file.inputs, small.file.out
    yield same("in/motion_mask", small.layout.mask().expand(inputs["motion_mask"].shape), inputs["motion_mask"])
    released = small.layout.query_mask("released").expand(inputs["query_mask"].shape)
    yield same("in/query_mask", released, inputs["query_mask"])
    network = small.denoiser("released")
    scale = token_scale(small.sampling.part_scales, small.layout)
    yield near("in/joint_scale", scale, small.part_scale)
    yield near("xf_text", network.text_pre_proj(inputs["word"]), out["xf_text"])
    yield near("xf_audio", network.audio_pre_proj(inputs["audio"]), out["xf_audio"])
    yield near("xf_spk", network.speaker_embedding(inputs["speaker_ids"]), out["xf_spk"])
    for kind in KINDS:
        yield from predictions(small, kind)
        yield from at_inference(small, kind)
    styles = network.styles(inputs["train_timesteps"])
    answers = network.answers(small.told, kept(inputs["train_cond_type"]))
    yield near("train_pred", network(inputs["motion"], styles, answers), out["train_pred"], MASKED)


def predictions(small: SmallNetwork, kind: str) -> Iterator[Check]:
    query_mask, tolerance = KINDS[kind]
    network, motion, scale = small.denoiser(query_mask), small.file.inputs["motion"], small.part_scale
    answers, found = network.answers(small.told), {"cond": [], "uncond": [], "mixed": []}
    for t in small.file.inputs["timesteps"].tolist():
        styles = network.styles(torch.tensor([t]))
        found["cond"].append(network(motion, styles, answers))
        found["uncond"].append(network(motion, styles, None))
        found["mixed"].append(mixed(found["cond"][-1], found["uncond"][-1], weights(t, small.sampling), scale))
    for name, rows in found.items():
        yield near(f"{kind}/{name}", torch.stack(rows), small.file.out[f"{kind}/{name}"], tolerance)


def at_inference(small: SmallNetwork, kind: str) -> Iterator[Check]:
    """Both predictions from one pass, as samplers take them."""
    query_mask, tolerance = KINDS[kind]
    timesteps, motion = small.file.inputs["timesteps"].tolist(), small.file.inputs["motion"]
    branches = Branches(small.denoiser(query_mask), timesteps)
    told = branches.told(small.told)
    pairs = [branches(motion, index, told) for index in range(len(timesteps))]
    for name, rows in zip(("cond", "uncond"), zip(*pairs, strict=True), strict=True):
        yield near(f"{kind}/{name}", torch.stack(rows), small.file.out[f"{kind}/{name}"], tolerance)


def weights(t: int, sampling: SamplingConfig) -> tuple[float, float]:
    return coarse_to_fine_weights(t, coarse=sampling.coarse_scale, late=sampling.late_weights)


@case("rag_gesture/cfg_mixing.npz")
def guidance_weights(golden: Golden) -> Iterator[Check]:
    """Four coefficients and a coin in the reference, two numbers here: those that the method has by default."""
    g, sampling = Arrays.of(golden), SamplingConfig()
    cond, uncond, scale = (g.inputs[name] for name in ("cond", "uncond", "joint_scale"))
    found = [mixed(cond, uncond, weights(t, sampling), scale[:, None]) for t in g.inputs["timesteps"].tolist()]
    yield near("mixed", torch.stack(found), g.out["mixed"])
    ours = [weights(row["timestep"], sampling) for row in g.config["coefficients"]]
    theirs = [[c["both_coef"] + c["text_coef"], c["retr_coef"] + c["none_coef"]] for c in coefficients(g)]
    yield near("config/coefficients", ours, theirs, 1e-12)


def coefficients(g: Arrays) -> list[dict[str, float]]:
    return [row["coef"] for row in g.config["coefficients"]]


@case("rag_gesture/training_loss.npz")
def training_loss(golden: Golden) -> Iterator[Check]:
    """Gradients that pass the tokens pushed to -10^6 are only good to 10 % in float32 (against float64): agreement to
    one percent of the largest entry is more than the reference itself supports. The last layer's does not pass them."""
    g, small = Arrays.of(golden), SmallNetwork(golden)
    factors = g.config["body_part_lossweights"]
    weights = PartWeights.parse({part: factors[foreign] for part, foreign in FOREIGN_PARTS.items()}, "weights")
    inputs, network = g.inputs, small.denoiser("released")
    draws = {"t": inputs["t"], "noise": inputs["noise"], "keep": kept(inputs["cond_type"])}
    loss = denoising_losses(network, {"x0": inputs["x_start"], **vars(small.told), **draws}, weights)["loss"]
    loss.backward()
    yield near("recon_loss", loss, g.out["recon_loss"], BLOCK)
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    for name, theirs in Golden(golden.path).under("out/grad/").items():
        tolerance = 1e-6 if name == "out.weight" else 1e-2 * float(np.abs(theirs).max())
        yield near(f"grad/{name}", gradients[name], theirs, tolerance)
