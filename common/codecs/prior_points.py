"""The losses' terms about points of the body: what the priors say where joints, vertices or feet come to lie.

Translation is the same on both sides but for global motion, where it is all that differs: its terms need no body but
the feet of the true motion.

Legend: B windows, T frames, F features of a part.
"""

from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from gesturebench.common.codecs.face_squares import FaceSquares
from gesturebench.common.codecs.posed_body import PosedVertices
from gesturebench.common.codecs.posed_joints import PosedJoints
from gesturebench.common.codecs.prior_losses import (
    CHANGE_WEIGHT,
    POINT_TERMS,
    Terms,
    point_terms,
    rotations_in,
    skate_term,
    translation_of,
)
from gesturebench.common.codecs.prior_windows import CONTACT, EXPRESSIONS, TRANSLATION
from gesturebench.common.codecs.vq_config import PriorConfig
from gesturebench.common.corpus.beat2 import body_model_path
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.motion.body import Body
from gesturebench.common.motion.skeleton import FEET, PART_JOINTS

VERTICES = 2
"""The axis of vertices in (B, T, V, 3)."""


def part_points(config: PriorConfig, part: str, store: ClipStore) -> nn.Module | None:
    """What makes the point terms of a part: called with prediction and truth (B, T, F) and shapes (B, 300)."""
    if config.body == "none":
        return None
    if part == "lower":
        return LowerPoints(PosedJoints(store.joints, part))
    released = config.body_velocity == "released"
    if part == "face":
        crossed = config.face_pairing == "released"
        if released:
            return FaceVertices(PosedVertices(_body_of(store), part, every=True), crossed)
        return FacePoints(FaceSquares(store.face), crossed)
    if config.body == "joints":
        return TurningPoints(PosedJoints(store.joints, part), part)
    return TurningPoints(PosedVertices(_body_of(store), part, every=released), part, VERTICES if released else 1)


def _body_of(store: ClipStore) -> Body:
    return Body.read(body_model_path(Path(store.info["source"])))


class TurningPoints(nn.Module):
    """Joints or vertices of a body of which one part turns."""

    def __init__(self, body: PosedJoints | PosedVertices, part: str, axis: int = 1):
        super().__init__()
        self.body, self._joints, self._axis = body, len(PART_JOINTS[part]), axis

    def forward(self, prediction_BTF: Tensor, truth_BTF: Tensor, betas_BC: Tensor) -> Terms:
        predicted, true = (self.body(rotations_in(x, self._joints), betas_BC) for x in (prediction_BTF, truth_BTF))
        return point_terms(predicted - true, self.body.share, l1_loss, self._axis)


Face = tuple[Tensor, Tensor]
"""Rotation of the jaw (B, T, 3, 3) and expressions (B, T, 100)."""


def paired(prediction_BTF: Tensor, truth_BTF: Tensor, crossed: bool) -> tuple[Face, Face]:
    """The two faces to compare; `crossed`: each jaw beside the expressions of the other side."""
    jaws = [rotations_in(x, 1)[:, :, 0] for x in (prediction_BTF, truth_BTF)]
    faces = [x[..., EXPRESSIONS] for x in (prediction_BTF, truth_BTF)]
    return tuple(zip(jaws, faces[::-1] if crossed else faces, strict=True))


class FacePoints(nn.Module):
    """Vertices of the face, compared without them."""

    def __init__(self, squares: FaceSquares, crossed: bool):
        super().__init__()
        self.squares, self._crossed = squares, crossed

    def forward(self, prediction_BTF: Tensor, truth_BTF: Tensor, betas_BC: Tensor) -> Terms:
        first, second = paired(prediction_BTF, truth_BTF, self._crossed)
        return dict(zip(POINT_TERMS, self.squares(*first, *second, betas_BC), strict=True))


class FaceVertices(nn.Module):
    """Vertices of the whole mesh, their neighbours in its order in place of velocities."""

    def __init__(self, vertices: PosedVertices, crossed: bool):
        super().__init__()
        self.vertices, self._crossed = vertices, crossed

    def forward(self, prediction_BTF: Tensor, truth_BTF: Tensor, betas_BC: Tensor) -> Terms:
        pair = paired(prediction_BTF, truth_BTF, self._crossed)
        first, second = (self.vertices(jaw[:, :, None], betas_BC, face) for jaw, face in pair)
        return point_terms(first - second, 1.0, mse_loss, VERTICES)


class LowerPoints(nn.Module):
    """Joints, and feet that slide; as published of a body whose root stays in place."""

    def __init__(self, joints: PosedJoints):
        super().__init__()
        self.joints, self._feet = joints, [joints.moved.index(foot) for foot in FEET]

    def forward(self, prediction_BTF: Tensor, truth_BTF: Tensor, betas_BC: Tensor) -> Terms:
        sides = [rotations_in(x, len(PART_JOINTS["lower"])) for x in (prediction_BTF, truth_BTF)]
        predicted, true = (self.joints(turned, betas_BC) for turned in sides)
        skate = skate_term(predicted[:, :, self._feet], prediction_BTF[..., CONTACT])
        return {"points": self.joints.share * mse_loss(predicted, true), **skate}


def global_points(prediction_BTF: Tensor, truth_BTF: Tensor, feet_BTK3: Tensor, changes: bool = True) -> Terms:
    """Of the true poses at the predicted places: mean square of any point, five times that of its velocity and
    acceleration, and sliding feet. `feet_BTK3` are the true ones.

    With `changes` False velocities are left out: over vertices instead of frames both sides are equal.
    """
    trans = truth_BTF[..., TRANSLATION]
    away = translation_of(prediction_BTF, trans[:, 0, [0, 2]]) - trans
    terms = point_terms(away, 1.0, mse_loss)
    kept = {"points": terms.pop("points")} | ({k: CHANGE_WEIGHT * term for k, term in terms.items()} if changes else {})
    return kept | skate_term(feet_BTK3 + away[:, :, None], prediction_BTF[..., CONTACT])
