"""What the motion priors are trained on: rotations, their velocities and accelerations, contacts, translation (EMAGE,
Liu et al. 2024, sec. 4.1; MambaTalk, Xu et al. 2024, sec. 3.2).

Every function returns named terms with their weights in; the loss is their sum. Velocity and acceleration are first
and second differences from frame to frame, of rotation matrices entry by entry.

Legend: B windows, T frames, K joints of a part, R rotation matrices.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss, pad

from gesturebench.common.codecs.prior_windows import CONTACT, EXPRESSIONS, FPS, ROTATIONS, TRANSLATION
from gesturebench.common.motion.rotations import matrix_from_6d

MARGIN = 1e-6
"""Cosines are kept that far from 1, where the arc cosine has no slope: equal rotations are 1.4e-3 rad apart."""
CONTACT_ABOVE = 0.95
"""Predicted contact from which on a foot has to stand still."""
SKATE_WEIGHT, CHANGE_WEIGHT = 20.0, 5.0

POINT_TERMS = ("points", "points_velocity", "points_acceleration")

Terms = dict[str, Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]


def geodesic(first: Tensor, second: Tensor) -> Tensor:
    """(..., 3, 3) twice -> (...) radians: arccos((tr(R1 R2^T) - 1) / 2)."""
    cosine = ((first * second).sum((-2, -1)) - 1) / 2
    return torch.acos(cosine.clamp(-1 + MARGIN, 1 - MARGIN))


def rotations_in(features_BTF: Tensor, joints: int) -> Tensor:
    """The 6D rotations that features begin with -> (B, T, K, 3, 3)."""
    return matrix_from_6d(features_BTF[..., : 6 * joints].unflatten(-1, (joints, 6)))


def changes(prediction: Tensor, truth: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Distances of velocity and of acceleration, along axis 1."""
    return tuple(distance(prediction.diff(n, dim=1), truth.diff(n, dim=1)) for n in (1, 2))


def rotation_terms(prediction_R: Tensor, truth_R: Tensor, distance: Distance = l1_loss) -> Terms:
    """(B, T, K, 3, 3) twice: mean angle, velocity and acceleration."""
    velocity, acceleration = changes(prediction_R, truth_R, distance)
    return {"rotation": geodesic(prediction_R, truth_R).mean(), "velocity": velocity, "acceleration": acceleration}


def face_terms(prediction_BTF: Tensor, truth_BTF: Tensor) -> Terms:
    """Jaw and expressions, all changes as mean squares."""
    jaws = rotations_in(prediction_BTF, 1), rotations_in(truth_BTF, 1)
    faces = prediction_BTF[..., EXPRESSIONS], truth_BTF[..., EXPRESSIONS]
    velocity, acceleration = changes(*faces, mse_loss)
    return rotation_terms(*jaws, mse_loss) | {
        "expression": mse_loss(*faces),
        "expression_velocity": velocity,
        "expression_acceleration": acceleration,
    }


def lower_terms(prediction_BTF: Tensor, truth_BTF: Tensor) -> Terms:
    """Rotations and contact. As published nothing is asked of the translation channels."""
    joints = ROTATIONS.stop // 6
    terms = rotation_terms(rotations_in(prediction_BTF, joints), rotations_in(truth_BTF, joints))
    return terms | {"contact": mse_loss(prediction_BTF[..., CONTACT], truth_BTF[..., CONTACT])}


def point_terms(difference: Tensor, share: float = 1.0, distance: Distance = l1_loss, axis: int = 1) -> Terms:
    """Of predicted minus true points (B, T, ...): mean square, velocity and acceleration along `axis`. Points that do
    not differ may be left out, then `share` of all are there."""
    nothing = difference.new_zeros(())
    velocity, acceleration = (distance(d, nothing.expand_as(d)) for d in (difference.diff(n, axis) for n in (1, 2)))
    square = difference.square().mean()
    return {name: share * term for name, term in zip(POINT_TERMS, (square, velocity, acceleration), strict=True)}


def skate_term(feet_BTK3: Tensor, contact_BTK: Tensor) -> Terms:
    """20 times how far feet go from frame to frame (mean over coordinates) where the predicted contact is above 0.95,
    and 0 elsewhere."""
    moved = feet_BTK3.diff(dim=1) * (contact_BTK[:, :-1, :, None] > CONTACT_ABOVE)
    return {"skate": SKATE_WEIGHT * torch.cat((moved, moved[:, :1] * 0), 1).abs().mean()}


def velocity(positions: Tensor) -> Tensor:
    """(B, T, ...) metres -> m/s: central differences, one-sided at both ends."""
    return torch.gradient(positions, spacing=1 / FPS, dim=1)[0]


def integrated(velocity_BTC: Tensor, start_BC: Tensor) -> Tensor:
    """p[0] = start, p[t] = p[t - 1] + v[t - 1] / 30: the last velocity is not used. Differentiable."""
    steps = torch.cat((start_BC[:, None], velocity_BTC[:, :-1] / FPS), 1)
    return steps.cumsum(1)


def translation_of(prediction_BTF: Tensor, start_BC: Tensor) -> Tensor:
    """Channels (vx, y, vz) of global motion and the first x and z (B, 2) -> (B, T, 3) metres."""
    vx, y, vz = prediction_BTF[..., TRANSLATION].split(1, -1)
    x, z = integrated(torch.cat((vx, vz), -1), start_BC).split(1, -1)
    return torch.cat((x, y, z), -1)


def global_terms(prediction_BTF: Tensor, truth_BTF: Tensor) -> Terms:
    """Contact, velocity in x and z, and the position it leads to; changes of both count five times."""
    trans, channels = truth_BTF[..., TRANSLATION], prediction_BTF[..., TRANSLATION]
    position = translation_of(prediction_BTF, trans[:, 0, [0, 2]])
    speeds = [(channels[..., axis], velocity(trans[..., axis])) for axis in (0, 2)]
    of_speeds = torch.stack([torch.stack(changes(*pair, l1_loss)).sum() for pair in speeds]).sum()
    of_position = torch.stack(changes(position, trans, l1_loss)).sum()
    return {
        "contact": mse_loss(prediction_BTF[..., CONTACT], truth_BTF[..., CONTACT]),
        "speed": l1_loss(*speeds[0]) + l1_loss(*speeds[1]),
        "position": l1_loss(position, trans),
        "speed_change": CHANGE_WEIGHT * of_speeds,
        "position_change": CHANGE_WEIGHT * of_position,
    }


def rotations_alone(lower_BTF: Tensor) -> Tensor:
    """What the network of global motion is trained on: translation and contact are zero."""
    return pad(lower_BTF[..., ROTATIONS], (0, lower_BTF.shape[-1] - ROTATIONS.stop))


def total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()
