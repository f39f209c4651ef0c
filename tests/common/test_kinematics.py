"""Forward kinematics: what any rigid skeleton obeys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.kinematics import JointModel, forward_kinematics, rotation_matrices
from gesturebench.common.motion.skeleton import (
    EYES,
    HANDS,
    JAW,
    JOINT_NAMES,
    LOWER,
    N_JOINTS,
    PARENTS,
    UPPER,
    pose_channels,
)  # fmt: skip
from gesturebench.common.motion.speed import mean_joint_speed

from .conftest import smooth_motion, write_body

REST = np.random.default_rng(1).normal(size=(N_JOINTS, 3))


def posed(seed: int, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    local = rotation_matrices(np.random.default_rng(seed).normal(size=(n, N_JOINTS, 3)))
    return local, forward_kinematics(local, REST)


@pytest.fixture
def joints(tmp_path) -> JointModel:
    write_body(tmp_path / "body" / "body.npz")
    return JointModel.from_body_model(tmp_path / "body" / "body.npz")


def test_parts_divide_the_skeleton():
    assert sorted((*UPPER, *LOWER, *HANDS, *JAW, *EYES)) == list(range(55)) == list(range(len(JOINT_NAMES)))
    assert all(parent < joint for joint, parent in enumerate(PARENTS))
    np.testing.assert_array_equal(pose_channels((0, 2)), [0, 1, 2, 6, 7, 8])


def test_no_rotation_is_the_rest_pose():
    np.testing.assert_allclose(forward_kinematics(np.tile(np.eye(3), (2, N_JOINTS, 1, 1)), REST)[1], REST, atol=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_bones_keep_their_length(seed):
    _, positions = posed(seed)
    child, parent = np.arange(1, N_JOINTS), np.asarray(PARENTS[1:])
    lengths = np.linalg.norm(positions[:, child] - positions[:, parent], axis=-1)
    np.testing.assert_allclose(
        lengths, np.linalg.norm(REST[child] - REST[parent], axis=-1)[None].repeat(3, 0), atol=1e-9
    )


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_turning_the_root_turns_the_body(seed):
    local, positions = posed(seed)
    turn = rotation_matrices(np.random.default_rng(seed + 1).normal(size=3))
    local[:, 0] = turn @ local[:, 0]
    expected = (positions - positions[:, :1]) @ turn.T + positions[:, :1]
    np.testing.assert_allclose(forward_kinematics(local, REST), expected, atol=1e-9)


def test_a_joint_moves_its_descendants_only():
    local, before = posed(3)
    local[:, 18] = rotation_matrices(np.ones(3))
    moved = np.abs(forward_kinematics(local, REST) - before).max((0, 2)) > 1e-9
    below = {18}
    for joint in range(N_JOINTS):
        if PARENTS[joint] in below:
            below.add(joint)
    assert set(np.flatnonzero(moved)) == below - {18}, "the elbow itself stays, wrist and fingers follow"


def test_rest_joints_are_linear_in_shape_and_expression(joints):
    rng = np.random.default_rng(0)
    betas, expressions = rng.normal(size=300), rng.normal(size=(4, 100))
    whole = joints.rest_joints(betas, expressions)
    shape = joints.directions[..., :300] @ betas
    mimic = np.einsum("jck,tk->tjc", joints.directions[..., 300:], expressions)
    np.testing.assert_allclose(whole, joints.rest + shape + mimic, atol=1e-12)


def test_translation_and_expressions_can_be_left_out(joints):
    motion = smooth_motion(5)
    with_trans = joints.positions(motion, expressions=False)
    without = joints.positions(motion, trans=False, expressions=False)
    np.testing.assert_allclose(with_trans - without, np.broadcast_to(motion.trans[:, None], (5, 55, 3)), atol=1e-6)
    assert np.abs(joints.positions(motion, trans=False) - without).max() > 1e-3


def test_hand_mean_is_added_to_stored_hands(joints):
    motion = smooth_motion(2)
    curled = motion.poses.copy()
    curled[:, 75:165] -= joints.hand_mean.astype(np.float32)
    flat = JointModel(joints.rest, joints.directions, np.zeros(90))
    stored = Motion(curled, motion.expressions, motion.trans, motion.betas, 30)
    np.testing.assert_allclose(joints.positions(stored), flat.positions(motion), atol=1e-6)


def test_joint_model_round_trip(joints, tmp_path):
    joints.save(tmp_path / "joints.npz")
    loaded = JointModel.load(tmp_path / "joints.npz")
    for name in ("rest", "directions", "hand_mean"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(joints, name))


def test_not_a_body_model(tmp_path):
    with pytest.raises(InputError, match="no body model there"):
        JointModel.from_body_model(tmp_path / "nothing.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=r"other\.npz: not an SMPL-X model"):
        JointModel.from_body_model(tmp_path / "other.npz")
    whole = (tmp_path / "other.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"text"):
        (tmp_path / "cut.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"cut\.npz: not an SMPL-X model"):
            JointModel.from_body_model(tmp_path / "cut.npz")


@pytest.mark.parametrize("fps", [15, 30])
def test_mean_speed_of_a_gliding_statue(joints, fps):
    """A rigid body carried at 0.5 m/s moves every joint at 0.5 m/s, at any frame rate."""
    still = smooth_motion(40, fps=fps)
    frozen = (np.repeat(array[:1], 40, 0) for array in (still.poses, still.expressions))
    glide = np.arange(40)[:, None] / fps * np.array([0.3, 0, 0.4], np.float32)
    motion = Motion(*frozen, glide, still.betas, fps)
    np.testing.assert_allclose(mean_joint_speed(joints, [motion, motion]), 0.5, rtol=1e-4)
