"""Bodies: joints without a mesh against `smplx`, and face errors without a mesh against both meshes.

The slow side of the face is the released evaluation, restated: `smplx` with only jaw and expression set, for the
prediction and for the captured motion, all vertices of all frames kept, and plain means over them. The floor is what
no way through vertices can avoid: one product of the expression differences with the basis of those that move.
"""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.standin.body import standin_body
from gesturebench.common.motion.body import Body
from gesturebench.common.motion.face import CHUNK, FaceModel
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import JAW, channel_mask
from gesturebench.common.threads import limit_threads
from gesturebench.evaluators.face import FaceErrors

FRAMES = 256
limit_threads()


def motion(seed: int) -> Motion:
    """Smooth, with eyes, hands and jaw in motion."""
    rng, t = np.random.default_rng(seed), np.arange(FRAMES)[:, None] / 30
    poses, expressions, trans = (
        (size * np.sin(t * rng.uniform(1, 9, n) + rng.uniform(0, 6, n))).astype(np.float32)
        for size, n in ((0.3, 165), (1, 100), (0.2, 3))
    )
    return Motion(poses, expressions, trans, np.random.default_rng(0).normal(size=300).astype(np.float32), 30.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return standin_body(tmp_path_factory.mktemp("body"))


@pytest.fixture(scope="module")
def smplx_body(path):
    pytest.importorskip("smplx")
    from gesturebench.common.motion.smplx_body import SmplxBody

    return SmplxBody(path)


def test_joint_kinematics_against_smplx(versus, path, smplx_body):
    joints, moved = JointModel.from_body_model(path), motion(1)
    np.testing.assert_allclose(joints.positions(moved), smplx_body.positions(moved), atol=1e-5)
    versus(lambda: joints.positions(moved), lambda: smplx_body.positions(moved), rounds=3)


def test_own_skinning_against_smplx(versus, path, smplx_body):
    body, moved = Body.read(path), motion(1)
    np.testing.assert_allclose(whole(body, moved), whole(smplx_body, moved), atol=1e-5)
    versus(lambda: exhausted(body.vertices(moved)), lambda: exhausted(smplx_body.vertices(moved)), rounds=3)


def test_face_errors_against_two_meshes(versus, path, smplx_body):
    face, pair = FaceModel.from_body_model(path), (motion(1), motion(2))

    def ours() -> tuple[float, float]:
        errors = FaceErrors.of(face.differences(*pair), face.n_coordinates)
        return errors.face_mse, errors.lvd

    # two float32 meshes are subtracted on the slow side
    np.testing.assert_allclose(ours(), released(smplx_body, *pair), rtol=1e-4)
    versus(ours, lambda: released(smplx_body, *pair), rounds=3)


def test_face_errors_against_their_floor(versus, benchmark, path):
    """`ratio` below 1: the share of the whole that the product alone takes."""
    face, pair = FaceModel.from_body_model(path), (motion(1), motion(2))
    steps = np.random.default_rng(0).normal(size=(FRAMES, len(face.basis))).astype(np.float32)
    chunks = [steps[start : start + CHUNK] for start in range(0, FRAMES, CHUNK)]
    moving = face.basis.shape[1] - len(face.arm_rest)
    benchmark.extra_info["moving_share"] = moving / face.n_coordinates
    versus(
        lambda: FaceErrors.of(face.differences(*pair), face.n_coordinates),
        lambda: exhausted(chunk @ face.basis for chunk in chunks),
    )


def whole(body, moved: Motion) -> np.ndarray:
    return np.concatenate(list(body.vertices(moved)))


def exhausted(pieces) -> None:
    for _ in pieces:
        pass


def released(body, predicted: Motion, captured: Motion) -> tuple[float, float]:
    """MSE and LVD over arrays (T, 31425) of both clips."""
    p, g = (
        whole(body, replace(m, poses=m.poses * channel_mask(JAW), trans=0 * m.trans)).reshape(FRAMES, -1)
        for m in (predicted, captured)
    )
    return np.mean((p - g) ** 2), np.mean(np.abs((p[1:] - g[:-1]) - (g[1:] - g[:-1])))
