"""MambaTalk's motion priors: codecs, one training step of each with all terms but those of the body, and the small
functions that they stand on."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gesturebench.common.codecs import prior_losses
from gesturebench.common.codecs.prior_fitting import part_terms
from gesturebench.common.codecs.prior_losses import Terms, rotations_alone, total
from gesturebench.common.codecs.prior_windows import part_rows
from gesturebench.common.corpus.names import dense_speaker
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.skeleton import N_JOINTS, PART_JOINTS
from gesturebench.common.nn.positions import PeriodicPositions
from tests.parity.cases.emage import autoencoder, same_codes, tensors, vq_vae
from tests.parity.frame import Check, Golden, case, near, same

GRADIENT = 1e-4
"""The files' own accuracy: the angle of nearly equal or opposite rotations has a steep slope."""
METERS = {
    "rec": "rotation",
    "vel": "velocity",
    "acc": "acceleration",
    "face": "expression",
    "face_vel": "expression_velocity",
    "face_acc": "expression_acceleration",
    "contact": "contact",
    "com": "codebook",
    "transv": "speed",
    "trans": "position",
}
"""Published name of a term -> ours."""
PARTS = {"face": "face", "upper": "upper", "hands": "hands", "lowerfoot": "lower"}
"""Published name of a codec -> the part."""
HALF_TURN = 1e-4
"""Of rotations by way of quaternions, which are wrong near a half turn."""


def codec(golden: Golden) -> Iterator[Check]:
    parameters, x = tensors(golden, "param/"), torch.from_numpy(golden["in/x"])
    network = vq_vae(parameters)
    with torch.no_grad():
        reconstruction, quantised = network(x)
        yield near("pre_latent", network.encoder(x), golden["out/pre_latent"])
        yield same_codes("index", network, x, golden["out/index"])
        yield near("poses_feat", quantised.latent, golden["out/poses_feat"])
        yield near("embedding_loss", quantised.loss, golden["out/embedding_loss"])
        yield near("perplexity", quantised.perplexity, golden["out/perplexity"])
        yield near("rec_pose", reconstruction, golden["out/rec_pose"])
        yield near("map2latent", network.latent(x), golden["out/map2latent"])
        index = torch.from_numpy(golden["out/index"])
        yield near("decode_index", network.decode_indices(index), golden["out/decode_index"])
        drawn = torch.from_numpy(golden["in/random_index"])
        yield near("decode_random_index", network.decode_indices(drawn), golden["out/decode_random_index"])


def training_step(golden: Golden) -> Iterator[Check]:
    part = PARTS[golden.config()["part"]]
    network, x = vq_vae(tensors(golden, "param/")), features(golden, part)
    y, quantised = network(x)
    yield from losses(golden, network, part_terms(part, y, x) | {"codebook": quantised.loss})


for name in PARTS:
    case(f"mambatalk/vq_{name}.npz")(codec)
    case(f"mambatalk/vq_loss_{name}.npz")(training_step)


@case("mambatalk/vq_global.npz")
@torch.no_grad()
def global_motion(golden: Golden) -> Iterator[Check]:
    network, x = autoencoder(tensors(golden, "param/")), torch.from_numpy(golden["in/x"])
    yield near("pre_latent", network.encoder(x), golden["out/pre_latent"])
    yield near("rec_pose", network(x), golden["out/rec_pose"])


@case("mambatalk/vq_loss_global.npz")
def global_training_step(golden: Golden) -> Iterator[Check]:
    network, x = autoencoder(tensors(golden, "param/")), features(golden, "lower")
    yield from losses(golden, network, prior_losses.global_terms(network(rotations_alone(x)), x))


def features(golden: Golden, part: str) -> Tensor:
    """(B, T, F), converted as released: near a half turn the angle's slope shows the last digit of a rotation."""
    pose, joints = torch.from_numpy(golden["in/pose"]), list(PART_JOINTS[part])
    angles = pose[..., : 3 * len(joints)].unflatten(-1, (-1, 3))
    six = torch.zeros(*pose.shape[:2], N_JOINTS, 6)
    six[:, :, joints] = rotations_legacy.axis_angle_to_6d(angles)
    beside = (torch.from_numpy(golden["in/trans"]), pose[..., 3 * len(joints) :])
    channels = torch.cat((six.flatten(-2), *beside), -1)
    return part_rows(channels, torch.from_numpy(golden["in/facial"]), (part,))[part]


def losses(golden: Golden, network: torch.nn.Module, terms: Terms) -> Iterator[Check]:
    """Every term that the file holds, and the gradient of all."""
    for meter, value in golden.under("out/meter/").items():
        yield near(f"meter/{meter}", terms[METERS[meter]], value[0])
    total(terms).backward()
    parameters = dict(network.named_parameters())
    for name, value in golden.under("out/grad_norm/").items():
        yield near(f"grad_norm/{name}", parameters[name].grad.norm(), value, GRADIENT)
    for name, value in golden.under("out/grad/").items():
        yield near(f"grad/{name}", parameters[name].grad, value, GRADIENT)


@case("mambatalk/misc.npz")
@torch.no_grad()
def misc(golden: Golden) -> Iterator[Check]:
    given, r = tensors(golden, "in/"), rotations_legacy
    positions = PeriodicPositions(golden.config()["period"], golden.config()["d_model"]).eval()
    yield near("pe_table", positions.pe, golden["out/pe_table"])
    for name in ("pe_a", "pe_b", "pe_c"):
        yield near(name, positions(given[name]), golden[f"out/{name}"])
    matrix, raw = r.axis_angle_to_matrix(given["axis_angle"]), r.matrix_from_6d(given["raw6d"])
    yield near("matrix", matrix, golden["out/matrix"])
    yield near("rot6d", r.matrix_to_6d(matrix), golden["out/rot6d"])
    yield near("axis_angle_back", r.matrix_to_axis_angle(matrix), golden["out/axis_angle_back"], HALF_TURN)
    yield near("matrix_raw6d", raw, golden["out/matrix_raw6d"])
    yield near("axis_angle_raw6d", r.matrix_to_axis_angle(raw), golden["out/axis_angle_raw6d"], HALF_TURN)
    position = prior_losses.integrated(given["vel"], given["init_pos"])
    yield near("velocity2position", position, golden["out/velocity2position"])
    yield near("linear_velocity", prior_losses.velocity(given["vel"]), golden["out/estimate_linear_velocity"])
    yield near("geodesic_none", prior_losses.geodesic(matrix, raw), golden["out/geodesic_none"])
    yield near("geodesic_mean", prior_losses.geodesic(matrix, raw).mean(), golden["out/geodesic_mean"])
    yield near("geodesic_same", prior_losses.geodesic(matrix, matrix), golden["out/geodesic_same"])
    number, row = golden["out/idmap"].T
    yield same("idmap", [dense_speaker(int(speaker)) for speaker in number], row)
