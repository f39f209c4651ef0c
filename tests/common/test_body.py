"""The stand-in body: `smplx` loads it, and joints-only kinematics agree with its skinning."""

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.standin.body import SHAPES, _body_file, standin_body, write_body
from gesturebench.common.corpus.standin.mesh import LANDMARKS, N_VERTICES, build_mesh
from gesturebench.common.corpus.standin.proportions import HEIGHT, rest_joints
from gesturebench.common.errors import InputError
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import JOINT


@pytest.fixture(scope="module")
def body_path(tmp_path_factory):
    return standin_body(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def joints(body_path):
    return JointModel.from_body_model(body_path)


def random_motion(n: int, seed: int) -> Motion:
    rng = np.random.default_rng(seed)
    draw = [
        rng.normal(0, scale, shape).astype(np.float32) for scale, shape in ((0.5, (n, 165)), (1, (n, 100)), (1, (n, 3)))
    ]
    return Motion(*draw, betas=rng.normal(0, 1, 300).astype(np.float32), fps=30.0)


@pytest.mark.parametrize(("contour", "n_joints"), [(False, 127), (True, 144)])
def test_smplx_loads_the_body_and_agrees_with_joint_kinematics(body_path, joints, contour, n_joints):
    smplx = pytest.importorskip("smplx")
    motion = random_motion(6, seed=1)
    model = smplx.create(
        model_path=str(body_path.parent.parent), model_type="smplx", gender="NEUTRAL_2020", ext="npz", num_betas=300,
        num_expression_coeffs=100, use_pca=False, use_face_contour=contour, batch_size=6,
    )  # fmt: skip
    poses = torch.tensor(motion.poses)
    with torch.no_grad():
        out = model(
            betas=torch.tensor(motion.betas)[None].expand(6, -1), expression=torch.tensor(motion.expressions),
            transl=torch.tensor(motion.trans), global_orient=poses[:, :3], body_pose=poses[:, 3:66],
            jaw_pose=poses[:, 66:69],
            leye_pose=poses[:, 69:72], reye_pose=poses[:, 72:75], left_hand_pose=poses[:, 75:120],
            right_hand_pose=poses[:, 120:],
        )  # fmt: skip
    assert out.joints.shape == (6, n_joints, 3)
    assert out.vertices.shape == (6, N_VERTICES, 3)
    assert np.isfinite(out.joints.numpy()).all()
    np.testing.assert_allclose(out.joints[:, :55].numpy(), joints.positions(motion), atol=1e-5)


def test_forgetting_the_hand_mean_moves_the_fingers(joints):
    motion = random_motion(2, seed=2)
    flat = JointModel(joints.rest, joints.directions, np.zeros(90))
    moved = np.linalg.norm(joints.positions(motion) - flat.positions(motion), axis=-1)
    assert moved[:, JOINT["left_index3"]].min() > 0.005
    assert moved[:, JOINT["left_wrist"]].max() == 0


def test_regressor_returns_the_designed_joints(joints):
    np.testing.assert_allclose(joints.rest, rest_joints(), atol=1e-12)


def test_expressions_move_no_joint(joints):
    assert np.abs(joints.directions[..., 300:]).max() == 0


def test_shapes_change_what_they_are_named_after(joints):
    def height(betas):
        rest = joints.rest_joints(betas)
        return rest[JOINT["head"], 1] - rest[JOINT["left_foot"], 1]

    unit = np.eye(300)
    assert height(unit[SHAPES.index("stature")]) > 1.02 * height(np.zeros(300))
    assert height(unit[SHAPES.index("girth")]) == pytest.approx(height(np.zeros(300)))
    shoulders = joints.rest_joints(unit[SHAPES.index("shoulders")]) - joints.rest
    assert shoulders[JOINT["left_shoulder"], 0] > 0.005
    assert shoulders[JOINT["right_shoulder"], 0] < -0.005


def test_named_vertices_lie_where_their_names_say():
    mesh = build_mesh()
    assert mesh.vertices.shape == (N_VERTICES, 3)
    assert mesh.faces.max() == N_VERTICES - 1
    for number, (bone, _) in LANDMARKS.items():
        assert mesh.joint_of[number] == JOINT[bone]
    nose, left_heel, left_toe = mesh.vertices[9120], mesh.vertices[8846], mesh.vertices[5770]
    assert abs(nose[0]) < 0.01
    assert nose[2] > 0.1
    assert left_heel[2] < left_toe[2]
    assert mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min() == pytest.approx(HEIGHT, rel=0.04)


def test_skinning_weights_are_a_partition_of_unity():
    weights = build_mesh().skinning()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)


def test_the_file_is_always_the_same_and_built_once(body_path, tmp_path):
    _body_file.cache_clear()
    write_body(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == body_path.read_bytes()
    before = body_path.stat().st_mtime_ns
    assert standin_body(body_path.parents[3]) == body_path
    assert body_path.stat().st_mtime_ns == before


def test_cache_folder_can_be_moved(monkeypatch, tmp_path):
    from gesturebench.common.corpus.standin.body import cache_folder

    monkeypatch.setenv("GESTUREBENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


@pytest.mark.parametrize("content", [b"", b"text", b"PK" + bytes(100)])
def test_a_file_that_is_no_body_is_named(tmp_path, content):
    (tmp_path / "body.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"body\.npz: not an SMPL-X model .*--body standin"):
        JointModel.from_body_model(tmp_path / "body.npz")
