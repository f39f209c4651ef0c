"""Our own skinning against the textbook and `smplx`; parts of a surface; files that are no body."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.standin.body import standin_body
from gesturebench.common.errors import InputError
from gesturebench.common.motion.body import Body
from gesturebench.common.motion.kinematics import JointModel
from tests.common.bodies import dense_body, plain_vertices, written
from tests.common.conftest import smooth_motion


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    arrays = dense_body()
    return arrays, written(tmp_path_factory.mktemp("dense") / "body.npz", arrays)


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    return standin_body(tmp_path_factory.mktemp("cache"))


def whole(body, motion: Motion, **settings) -> np.ndarray:
    return np.concatenate(list(body.vertices(motion, **settings)))


def wild_motion(n: int, seed: int = 0) -> Motion:
    """Poses beyond half turns."""
    motion = smooth_motion(n, seed)
    return replace(motion, poses=6 * motion.poses)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_vertices_are_those_of_the_textbook(dense, chunk):
    arrays, path = dense
    motion = wild_motion(7)
    np.testing.assert_allclose(whole(Body.read(path), motion, chunk=chunk), plain_vertices(arrays, motion), atol=2e-5)


def test_translation_can_be_left_out(dense):
    _, path = dense
    body, motion = Body.read(path), wild_motion(3)
    moved = whole(body, motion) - whole(body, motion, trans=False)
    np.testing.assert_allclose(moved, np.broadcast_to(motion.trans[:, None], moved.shape), atol=1e-5)


def test_a_part_of_the_surface_is_cut_out_of_the_whole(dense):
    _, path = dense
    body, motion = Body.read(path), wild_motion(4)
    surface = whole(body, motion)
    chosen = np.array([7, 3, 30])
    np.testing.assert_allclose(whole(body.only(chosen), motion), surface[:, chosen], atol=1e-5)
    some = body.only_faces(np.arange(4))
    assert some.n_vertices == len(np.unique(body.faces[:4]))
    np.testing.assert_allclose(whole(some, motion)[:, some.faces], surface[:, body.faces[:4]], atol=1e-5)


def test_faces_of_a_part_are_those_that_keep_all_corners(dense):
    body = Body.read(dense[1])
    kept = body.only(np.arange(20)).faces
    np.testing.assert_array_equal(kept, body.faces[(body.faces < 20).all(1)])


def test_smplx_gives_the_same_vertices_and_joints(standin):
    pytest.importorskip("smplx")
    from gesturebench.common.motion.smplx_body import SmplxBody

    ours, theirs, motion = Body.read(standin), SmplxBody(standin), wild_motion(5)
    np.testing.assert_allclose(whole(ours, motion), whole(theirs, motion, chunk=2), atol=1e-5)
    np.testing.assert_allclose(ours.joints.positions(motion), theirs.positions(motion), atol=1e-5)
    np.testing.assert_array_equal(ours.faces, theirs.faces)


@pytest.mark.parametrize("name", ["v_template", "shapedirs", "posedirs", "weights", "f", "kintree_table"])
def test_a_missing_array_is_named(dense, tmp_path, name):
    path = written(tmp_path / "body.npz", {key: array for key, array in dense[0].items() if key != name})
    with pytest.raises(InputError, match=rf"body\.npz: not an SMPL-X model .*{name}"):
        Body.read(path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("shapedirs", lambda a: a[:, :, :20]),
        ("posedirs", lambda a: a[:, :, :207]),
        ("weights", lambda a: a[:-1]),
        ("v_template", lambda a: np.where(a > 0.4, np.nan, a)),
        ("J_regressor", lambda a: a.astype(object)),
        ("hands_meanl", lambda a: a[:6]),
    ],
)
def test_a_wrong_array_is_named(dense, tmp_path, name, damage):
    path = written(tmp_path / "body.npz", dense[0] | {name: damage(dense[0][name])})
    with pytest.raises(InputError, match=rf"{name} has shape"):
        Body.read(path)


def test_another_tree_of_joints_is_refused(dense, tmp_path):
    tree = dense[0]["kintree_table"][:, :52]
    with pytest.raises(InputError, match="52 joints; expected the 55-joint SMPL-X tree"):
        JointModel.from_body_model(written(tmp_path / "body.npz", dense[0] | {"kintree_table": tree}))
