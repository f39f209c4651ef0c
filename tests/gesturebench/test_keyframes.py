"""Keyframes that a person gives: what a file may say, and that everything else is refused in one clear line."""

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import JOINT
from gesturebench.given import given_of
from gesturebench.keyframes import Keyframes

ARMS = ("left_elbow", "right_elbow")
POSES = {
    "frames": [10, 40],
    "joints": ARMS,
    "values": np.arange(12).reshape(2, 2, 3) / 10,
    "fps": 30,
}


def written(tmp_path, **arrays):
    np.savez(tmp_path / "keyframes.npz", **arrays)
    return tmp_path / "keyframes.npz"


def test_poses_lie_where_the_file_says(tmp_path):
    control = Keyframes.load(written(tmp_path, **POSES)).control(60)
    assert np.argwhere(control.mask).tolist() == [[f, JOINT[name]] for f in (10, 40) for name in ARMS]
    poses = control.motion.checked("control").poses.reshape(60, 55, 3)
    assert np.allclose(poses[[10, 40]][:, [JOINT[name] for name in ARMS]], POSES["values"])
    assert (poses[~control.mask] == 0).all()
    assert control.motion.fps == 30


def test_joints_may_be_numbered_and_named(tmp_path):
    named = Keyframes.load(written(tmp_path, **POSES)).control(60)
    numbers = [JOINT[name] for name in ARMS]
    numbered = Keyframes.load(written(tmp_path, **{**POSES, "joints": numbers})).control(60)
    encoded = Keyframes.load(written(tmp_path, **{**POSES, "joints": np.array(ARMS, "S")})).control(60)
    for other in (numbered, encoded):
        assert (other.mask == named.mask).all()
        assert (other.motion.poses == named.motion.poses).all()


def test_a_list_of_rotations_says_the_same_as_a_table(tmp_path):
    table = Keyframes.load(written(tmp_path, **POSES)).control(60)
    rows = {"frames": [10, 10, 40, 40], "joints": ARMS * 2, "values": POSES["values"].reshape(4, 3), "fps": 30.0}
    listed = Keyframes.load(written(tmp_path, **rows)).control(60)
    assert (listed.mask == table.mask).all()
    assert (listed.motion.poses == table.motion.poses).all()


def test_the_pelvis_comes_with_its_place(tmp_path):
    values, places = np.full((2, 2, 3), 0.1), [[0.5, 1.0, 0.0], [0.6, 1.0, 0.1]]
    given = {**POSES, "joints": ["pelvis", "head"], "values": values, "trans": places}
    control = Keyframes.load(written(tmp_path, **given)).control(50)
    assert np.allclose(control.motion.trans[[10, 40]], places)
    assert (np.delete(control.motion.trans, [10, 40], axis=0) == 0).all()


def test_what_is_said_twice_in_the_same_words_is_said_once(tmp_path):
    twice = {**POSES, "frames": [10, 10], "values": np.repeat(POSES["values"][:1], 2, axis=0)}
    assert Keyframes.load(written(tmp_path, **twice)).control(60).mask.sum() == 2


SPOILT = np.array(POSES["values"])
SPOILT[1, 0, 2] = np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": [10, 10]}, r"frame 10, left_elbow is given twice, as \[0.0, .*one value for each frame and joint"),
        ({"joints": [18, 18]}, r"frame 10, left_elbow is given twice"),
        ({"values": SPOILT}, r"values\[1, 0, 2\] is nan \(1 bad values\); expected finite numbers"),
        ({"values": POSES["values"].astype(str)}, r"values of type <U.*; expected numbers"),
        ({"values": np.full((2, 2, 3), 45.0)}, r"a rotation by 77.9.*; expected axis-angle in radians"),
        ({"values": np.zeros((2, 2, 4))}, r"values has shape \(2, 2, 4\); expected \(2, 2, 3\), axis-angle"),
        ({"values": np.zeros((2, 3, 3))}, r"values has shape \(2, 3, 3\); expected \(2, 2, 3\)"),
        ({"joints": ["left_elbow", "right_ebow"]}, r"unknown joint of .*'right_ebow'.*did you mean 'right_elbow'"),
        ({"joints": [3, 55]}, r"joint 55; expected 0 to 54, the joints of SMPL-X; convert poses of another skeleton"),
        ({"joints": [3, -1]}, r"joint -1; expected 0 to 54"),
        ({"joints": [3, 0]}, r"the pelvis without its place; expected trans of shape \(2, 3\), metres"),
        ({"trans": np.zeros((2, 3))}, r"trans without the pelvis"),
        ({"joints": [0, 3], "trans": np.zeros(3)}, r"trans has shape \(3,\); expected \(2, 3\)"),
        ({"joints": [0, 3], "trans": np.full((2, 3), np.inf)}, r"trans\[0, 0\] is inf"),
        ({"joints": []}, r"joints has shape \(0,\); expected one joint or more"),
        ({"frames": [[10, 40]]}, r"frames has shape \(1, 2\); expected one number or more in a row"),
        ({"frames": [10, 40.5]}, r"frames are \[10.0, 40.5\]; expected whole numbers"),
        ({"frames": [10, np.nan]}, r"frames are \[10.0, nan\]; expected whole numbers"),
        ({"fps": 15}, r"fps is 15; expected 30; count frames at 30 fps"),
        ({"fps": "fast"}, r"fps is 'fast'; expected 30"),
        ({"mask": 1}, r"unknown array of .*'mask'"),
        ({"frames": np.array([None])}, r"not an npz of plain arrays"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        Keyframes.load(written(tmp_path, **{**POSES, **change}))


@pytest.mark.parametrize("frame", [60, 1000, -1])
def test_frames_lie_in_the_speech(tmp_path, frame):
    keyframes = Keyframes.load(written(tmp_path, **{**POSES, "frames": [10, frame]}))
    with pytest.raises(InputError, match=rf"frame {frame}; expected 0 to 59, the frames of the speech at 30 fps"):
        keyframes.control(60)


def test_a_contradiction_about_the_pelvis_is_one(tmp_path):
    values = np.zeros((2, 1, 3))
    given = {**POSES, "frames": [10, 10], "joints": [0], "values": values, "trans": [[0, 1, 0], [0, 2, 0]]}
    with pytest.raises(InputError, match="frame 10, pelvis is given twice"):
        Keyframes.load(written(tmp_path, **given))


def test_files_that_are_none_are_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.npz: no such file; expected an npz of keyframes"):
        given_of(None, None, None, tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("frames")
    with pytest.raises(InputError, match=r"text.npz: not an npz of plain arrays"):
        Keyframes.load(tmp_path / "text.npz")
    with pytest.raises(InputError, match=r"no array values; expected frames, joints, values, fps"):
        Keyframes.load(written(tmp_path, frames=[0], joints=[1], fps=30))
    np.save(tmp_path / "plain.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"plain.npy: not an npz"):
        Keyframes.load(tmp_path / "plain.npy")
