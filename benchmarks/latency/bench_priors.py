"""Body terms of the motion priors' losses: points without a full body, against the published way through it.

The slow side poses the whole mesh twice (prediction and truth) by skinning, with gradients, and takes mean square,
velocity and acceleration of all vertices. On the fast side joints stand for the vertices of upper body and hands (other
points, the same rotations); face and global motion give the very numbers that the mesh gives, and so do the vertices
that a part can move. Released code poses the body with `smplx`, whose step is that of our skinning.
"""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from gesturebench.common.codecs.face_squares import FaceSquares
from gesturebench.common.codecs.posed_body import PosedVertices
from gesturebench.common.codecs.posed_joints import PosedJoints
from gesturebench.common.codecs.prior_fitting import part_terms
from gesturebench.common.codecs.prior_losses import CHANGE_WEIGHT, point_terms, total, translation_of
from gesturebench.common.codecs.prior_points import FacePoints, LowerPoints, TurningPoints, global_points, paired
from gesturebench.common.codecs.vq_config import PRIORS
from gesturebench.common.codecs.vq_vae import VQVAE
from gesturebench.common.corpus.standin.body import standin_body
from gesturebench.common.motion.body import Body
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import FEET, PART_JOINTS
from gesturebench.common.threads import limit_threads

WINDOWS, FRAMES = 2, 64
limit_threads()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return standin_body(tmp_path_factory.mktemp("body"))


@pytest.fixture(scope="module")
def body(path) -> Body:
    return Body.read(path)


def features(part: str, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    joints = len(PART_JOINTS[part])
    x = 0.3 * torch.randn(WINDOWS, FRAMES, PART_FEATURES[part], generator=generator)
    x[..., : 6 * joints] = axis_angle_to_6d(x[..., : 3 * joints].unflatten(-1, (joints, 3))).flatten(-2)
    return x


def setting(part: str) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, truth and shapes."""
    betas = torch.randn(1, 300, generator=torch.Generator().manual_seed(2)).expand(WINDOWS, -1)
    return features(part, 0).requires_grad_(), features(part, 1), betas


def stepped(points, prediction: Tensor, truth: Tensor, betas: Tensor) -> float:
    """The terms and their gradient; returns their sum."""
    prediction.grad = None
    loss = total(points(prediction, truth, betas))
    loss.backward()
    return loss.item()


@pytest.mark.parametrize("part", ["upper", "hands"])
def test_joints_for_vertices(body, versus, part):
    given = setting(part)
    fast = TurningPoints(PosedJoints(body.joints, part), part)
    slow = TurningPoints(PosedVertices(body, part, every=True), part)
    versus(lambda: stepped(fast, *given), lambda: stepped(slow, *given), rounds=3)


@pytest.mark.parametrize("part", ["upper", "hands"])
def test_vertices_that_move(body, versus, part):
    given = setting(part)
    fast, slow = (TurningPoints(PosedVertices(body, part, every=every), part) for every in (False, True))
    assert stepped(fast, *given) == pytest.approx(stepped(slow, *given), rel=1e-4)
    versus(lambda: stepped(fast, *given), lambda: stepped(slow, *given), rounds=3)


def test_joints_of_the_legs(body, versus):
    """As published joints alone are compared; released code poses the mesh for them."""
    given = setting("lower")
    fast, mesh = LowerPoints(PosedJoints(body.joints, "lower")), PosedVertices(body, "lower", every=True)

    def slow(prediction: Tensor, truth: Tensor, betas: Tensor):
        posed = TurningPoints(mesh, "lower")(prediction, truth, betas)
        return {"points": 0 * posed["points"], **fast(prediction, truth, betas)}

    versus(lambda: stepped(fast, *given), lambda: stepped(slow, *given), rounds=3)


def test_faces_without_vertices(path, body, versus):
    given = setting("face")
    fast, mesh = (
        FacePoints(FaceSquares(FaceModel.from_body_model(path)), False),
        PosedVertices(body, "face", every=True),
    )

    def slow(prediction: Tensor, truth: Tensor, betas: Tensor):
        sides = paired(prediction, truth, False)
        first, second = (mesh(jaw[:, :, None], betas, face) for jaw, face in sides)
        return point_terms(first - second, distance=mse_loss)

    assert stepped(fast, *given) == pytest.approx(stepped(slow, *given), rel=1e-3)
    versus(lambda: stepped(fast, *given), lambda: stepped(slow, *given), rounds=3)


def test_translation_without_a_body(body, versus):
    """Of global motion: the true poses at two places."""
    prediction, truth, betas = setting("lower")
    mesh, pose = PosedVertices(body, "lower", every=True), torch.eye(3).expand(WINDOWS, FRAMES, 9, 3, 3)
    feet = torch.zeros(WINDOWS, FRAMES, len(FEET), 3)

    def fast(prediction: Tensor, truth: Tensor, _: Tensor):
        terms = global_points(prediction, truth, feet)
        return {name: term for name, term in terms.items() if name != "skate"}

    def slow(prediction: Tensor, truth: Tensor, betas: Tensor):
        places = translation_of(prediction, truth[:, 0, [54, 56]]), truth[..., 54:57]
        first, second = (mesh(pose, betas) + place[:, :, None] for place in places)
        terms = point_terms(first - second, distance=mse_loss)
        return {name: term * (1 if name == "points" else CHANGE_WEIGHT) for name, term in terms.items()}

    given = (prediction, truth, betas)
    assert stepped(fast, *given) == pytest.approx(stepped(slow, *given), rel=1e-3)
    versus(lambda: stepped(fast, *given), lambda: stepped(slow, *given), rounds=3)


@pytest.mark.parametrize("part", ["upper", "hands"])
def test_training_step(body, versus, part):
    """Network, loss and gradient of a whole step at the size `paper`: joints against the mesh."""
    _, x, betas = setting(part)
    codec = VQVAE(PART_FEATURES[part], PRIORS["paper"].part_codec(part))

    def step(points):
        codec.zero_grad()
        y, quantised = codec(x)
        total(part_terms(part, y, x) | points(y, x, betas) | {"codebook": quantised.loss}).backward()

    fast = TurningPoints(PosedJoints(body.joints, part), part)
    slow = TurningPoints(PosedVertices(body, part, every=True), part)
    versus(lambda: step(fast), lambda: step(slow), rounds=3)
