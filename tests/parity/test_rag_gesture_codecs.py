"""Part VAEs, rotations and the way between motion and latents against the numbers of the reference implementation."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.motion.parts import part_features, six_from_parts
from gesturebench.common.motion.rotations import axis_angle_from_6d, axis_angle_to_6d
from gesturebench.common.motion.skeleton import N_JOINTS, PART_JOINTS
from gesturebench.methods.rag_gesture.layout import TokenLayout

from .conftest import close, filled

LAYOUT = TokenLayout(10)


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


@pytest.mark.parametrize(("name", "heads", "pre_norm"), [("vae_encoder_decoder", 2, False), ("vae_variants", 1, True)])
def test_part_vae(case, name, heads, pre_norm):
    """The second file has learned positions and normalises first; its posterior spread is a softplus, which we do
    not offer.
    """
    g = case(name)
    config = PartVAEConfig(
        width=g.config["latent_dim"], layers=3, heads=heads, feed_forward=48, chunk=15, pre_norm=pre_norm
    )
    vae = filled(PartVAE(config, g.config["nfeats"]), g.param)
    mean, log_variance = vae.posterior(g.inputs["motion"])
    close(mean.flatten(0, 1), g.out["mu"][:, 0])
    close(log_variance.flatten(0, 1), g.out["raw_second_token"][:, 0])
    close(vae.decode(g.inputs["z"]), g.out["decode_z"], 2e-5)
    close(vae.decode(g.out["latent"]), g.out["decode_latent"], 2e-5)
    if not pre_norm:
        sample = mean + torch.exp(0.5 * log_variance) * g.inputs["eps"][:, 0].view_as(mean)
        close(sample, g.out["latent"])


def six_to_matrix(six: Tensor) -> Tensor:
    """First two rows given, orthonormalised; independent of the code under test."""
    a = six[..., :3] / six[..., :3].norm(dim=-1, keepdim=True)
    b = six[..., 3:] - (a * six[..., 3:]).sum(-1, keepdim=True) * a
    b = b / b.norm(dim=-1, keepdim=True)
    return torch.stack((a, b, torch.linalg.cross(a, b, dim=-1)), -2)


def matrices(axis_angle: Tensor) -> Tensor:
    return six_to_matrix(axis_angle_to_6d(axis_angle.double())).float()


def test_rotations(case):
    g = case("rotations")
    close(axis_angle_to_6d(g.inputs["axis_angle"]), g.out["six_d"], 2e-6)
    close(matrices(g.inputs["axis_angle"]), g.out["matrix"], 2e-6)
    ours = axis_angle_from_6d(g.inputs["raw_6d"].double()).float()
    close(matrices(ours), g.out["raw_6d_matrix"], 1e-5)  # compared as matrices: the old formula is coarse near pi


@pytest.fixture(scope="module")
def representation(case):
    g = case("gesture_rep")
    c = g.config
    config = PartVAEConfig(width=c["latent_dim"], layers=c["num_layers"], heads=1, feed_forward=c["ff_size"], chunk=15)
    vaes = {}
    for part in PART_JOINTS:
        prefix = f"{'lowertrans' if part == 'lower' else part}_vae."
        own = {name.removeprefix(prefix): value for name, value in g.param.items() if name.startswith(prefix)}
        vaes[part] = filled(PartVAE(config, c["nfeats"][prefix.removesuffix("_vae.")]), own)
    return SimpleNamespace(inputs=g.inputs, out=g.out, vaes=vaes)


def whole_motion(inputs: dict[str, Tensor], row: int) -> Motion:
    """The parts of a golden batch row put into one motion of 165 channels."""
    poses = torch.zeros(150, N_JOINTS, 3)
    for part, joints in PART_JOINTS.items():
        poses[:, list(joints)] = inputs[part][row].unflatten(-1, (-1, 3))
    arrays = (poses.flatten(1), inputs["facial"][row], inputs["transl"][row])
    return Motion(*(a.numpy() for a in arrays), np.zeros(300, np.float32), 15.0)


def test_motion_to_latents(representation):
    inputs = representation.inputs
    rows = [part_features(whole_motion(inputs, k), inputs["contact"][k].numpy()) for k in range(2)]
    latents = []
    for part, vae in representation.vaes.items():
        mean, log_variance = vae.posterior(torch.stack([row[part] for row in rows]))
        eps = inputs[f"eps_{'lowertrans' if part == 'lower' else part}"]
        latents.append(mean + torch.exp(0.5 * log_variance) * eps[:, 0].view_as(mean))
    close(LAYOUT.join(latents), representation.out["latent"], 2e-5)
    close(LAYOUT.mask().expand(2, -1), representation.out["latent_mask"])


def test_latents_to_motion(representation):
    out = representation.out
    z = LAYOUT.split(representation.inputs["z"])
    decoded = {part: vae.decode(latents) for (part, vae), latents in zip(representation.vaes.items(), z, strict=True)}
    six, expressions, trans = six_from_parts(decoded)
    for part, joints in PART_JOINTS.items():
        theirs = matrices(out[f"dec_{part}"].unflatten(-1, (-1, 3)))
        close(six_to_matrix(six[..., list(joints), :]), theirs, 1e-3)
    close(expressions, out["dec_expressions"], 2e-5)
    close(trans, out["dec_transl"], 2e-5)
