"""Rotations, part VAEs, and the way between motion and latents."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.codecs.fast_decoding import FastDecoder
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.parts import part_features, six_from_parts
from gesturebench.common.motion.rotations import matrix_from_6d
from gesturebench.common.motion.skeleton import N_JOINTS, PART_JOINTS
from tests.parity.cases._rag_gesture import BLOCK, Arrays, filled, layout_of
from tests.parity.frame import Check, Golden, case, near

DECODED = 2e-5
"""Tolerance of decoded motion: the decoder is four times as deep as the encoder."""
HALF_TURN = 1e-3
"""Tolerance of rotations that the released formula took from a matrix: it is so coarse near a half turn."""
FOREIGN = {"upper": "upper", "hands": "hands", "face": "face", "lower": "lowertrans"}
SPREADS = {"normal": "log_variance", "multivariate_normal": "softplus"}
TRANSLATION, CONTACT = slice(54, 57), slice(57, 61)
"""Channels of the lower body."""


@case("rag_gesture/rotations.npz")
def rotations(golden: Golden) -> Iterator[Check]:
    """By the conversions of released code."""
    r, g = rotations_legacy, Arrays.of(golden)
    axis_angle, matrix = g.inputs["axis_angle"], r.axis_angle_to_matrix(g.inputs["axis_angle"])
    yield near("matrix", matrix, g.out["matrix"])
    yield near("six_d", r.matrix_to_6d(matrix), g.out["six_d"])
    yield near("quaternion", r.matrix_to_quaternion(matrix), g.out["quaternion"], HALF_TURN)
    roundtrip = r.axis_angle_from_6d(r.axis_angle_to_6d(axis_angle))
    yield near("axis_angle_roundtrip", roundtrip, g.out["axis_angle_roundtrip"], HALF_TURN)
    yield near("raw_6d_matrix", r.matrix_from_6d(g.inputs["raw_6d"]), g.out["raw_6d_matrix"])
    yield near("raw_6d_axis_angle", r.axis_angle_from_6d(g.inputs["raw_6d"]), g.out["raw_6d_axis_angle"], HALF_TURN)


def vae_config(g: Arrays) -> PartVAEConfig:
    c = g.config
    return PartVAEConfig(
        width=c["latent_dim"],
        layers=c["num_layers"],
        heads=c["num_heads"],
        feed_forward=c["ff_size"],
        chunk=c.get("frame_chunk_size") or c["chunk"],
        architecture=c.get("decoder_arch", "encoder_decoder"),
        positions=c.get("position_embedding", "sine"),
        spread=SPREADS[c.get("vae_dist", "normal")],
        pre_norm=c.get("transformer_normalize_before", False),
    )


def encoded(g: Arrays, vae: PartVAE) -> Iterator[Check]:
    """The two tokens of every chunk: the mean, and what tells the spread."""
    mean, second = (tokens.flatten(0, 1) for tokens in vae.tokens(g.inputs["motion"]))
    yield near("tokens", torch.stack((mean, second), 1), g.out["tokens"], BLOCK)
    yield near("mu", mean[:, None], g.out["mu"], BLOCK)
    yield near("raw_second_token", second[:, None], g.out["raw_second_token"], BLOCK)


def sampled(g: Arrays, vae: PartVAE) -> Iterator[Check]:
    """mean + std eps with the file's eps."""
    mean, log_variance = vae.posterior(g.inputs["motion"])
    std = torch.exp(0.5 * log_variance)
    yield near("std", std.flatten(0, 1)[:, None], g.out["std"], BLOCK)
    yield near("latent", mean + std * g.inputs["eps"][:, 0].view_as(mean), g.out["latent"], BLOCK)


def decoded(g: Arrays, vae: PartVAE) -> Iterator[Check]:
    """As trained, and as methods decode."""
    for decode in (vae.decode, FastDecoder(vae)):
        yield near("decode_z", decode(g.inputs["z"]), g.out["decode_z"], DECODED)
        yield near("decode_latent", decode(g.out["latent"]), g.out["decode_latent"], DECODED)


@case("rag_gesture/vae_encoder_decoder.npz")
@case("rag_gesture/vae_all_encoder.npz")
@case("rag_gesture/vae_variants.npz")
@torch.no_grad()
def part_vae(golden: Golden) -> Iterator[Check]:
    """As published; with a decoder that has no cross-attention; with learned positions, normalised first and a spread
    by softplus.
    """
    g = Arrays.of(golden)
    vae = filled(PartVAE(vae_config(g), g.config["nfeats"]), g.param)
    yield from encoded(g, vae)
    yield from sampled(g, vae)
    yield from decoded(g, vae)


@case("rag_gesture/gesture_rep.npz")
@torch.no_grad()
def representation(golden: Golden) -> Iterator[Check]:
    """Decoded rotations are compared as matrices."""
    g, vaes = Arrays.of(golden), part_vaes(Arrays.of(golden))
    layout, frames = layout_of(g.inputs["z"].shape[1]), range(len(g.inputs["upper"]))
    features = [part_features(whole_motion(g, row), g.inputs["contact"][row].numpy()) for row in frames]
    latents = []
    for part, vae in vaes.items():
        mean, log_variance = vae.posterior(torch.stack([row[part] for row in features]))
        eps = g.inputs[f"eps_{FOREIGN[part]}"][:, 0].view_as(mean)
        latents.append(mean + torch.exp(0.5 * log_variance) * eps)
    yield near("latent", layout.join(latents), g.out["latent"], DECODED)
    yield near("latent_mask", layout.mask().expand(g.out["latent_mask"].shape), g.out["latent_mask"])
    moved = torch.stack([row["lower"] for row in features])[..., TRANSLATION]
    yield near("transl_after_call", moved, g.out["transl_after_call"])
    yield from motions(g, {p: v.decode(z) for (p, v), z in zip(vaes.items(), layout.split(g.inputs["z"]), strict=True)})


def part_vaes(g: Arrays) -> dict[str, PartVAE]:
    vaes = {}
    for part in PART_JOINTS:
        prefix = f"{FOREIGN[part]}_vae."
        own = {name.removeprefix(prefix): value for name, value in g.param.items() if name.startswith(prefix)}
        vaes[part] = filled(PartVAE(vae_config(g), g.config["nfeats"][FOREIGN[part]]), own)
    return vaes


def whole_motion(g: Arrays, row: int) -> Motion:
    """The parts of a golden batch row put into one motion of 165 channels."""
    poses = torch.zeros(g.inputs["upper"].shape[1], N_JOINTS, 3)
    for part, joints in PART_JOINTS.items():
        poses[:, list(joints)] = g.inputs[part][row].unflatten(-1, (-1, 3))
    arrays = (poses.flatten(1), g.inputs["facial"][row], g.inputs["transl"][row])
    return Motion(*(a.numpy() for a in arrays), np.zeros(300, np.float32), 15.0)


def motions(g: Arrays, parts: dict[str, Tensor]) -> Iterator[Check]:
    six, expressions, trans = six_from_parts(parts)
    matrices = matrix_from_6d(six)
    for part, joints in PART_JOINTS.items():
        theirs = rotations_legacy.axis_angle_to_matrix(g.out[f"dec_{part}"].unflatten(-1, (-1, 3)))
        yield near(f"dec_{part}", matrices[..., list(joints), :, :], theirs, HALF_TURN)
    yield near("dec_expressions", expressions, g.out["dec_expressions"], DECODED)
    yield near("dec_transl", trans, g.out["dec_transl"], DECODED)
    yield near("dec_contact", parts["lower"][..., CONTACT], g.out["dec_contact"], DECODED)
