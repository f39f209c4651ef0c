"""Motion that is given beside a sound file: what the options say, and which methods take it."""

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.errors import InputError
from gesturebench.common.motion.export import save_motion
from gesturebench.common.motion.skeleton import SELECTIONS
from gesturebench.generation import check_takes_motion
from gesturebench.given import Given, given_of


@pytest.fixture
def file(tmp_path):
    poses = np.random.default_rng(0).normal(0, 0.1, (100, 165)).astype(np.float32)
    zeros = np.zeros
    save_motion(tmp_path / "poses.npz", Motion(poses, zeros((100, 100)), zeros((100, 3)), zeros(300), 30.0))
    return tmp_path / "poses.npz"


def test_frames_and_joints_are_shown_as_told(file):
    control = Given(file, "0, 45,90-92", "upper,hands").control()
    assert control.motion.n_frames == 100
    frames, joints = control.mask.any(1).nonzero()[0].tolist(), control.mask.any(0).nonzero()[0].tolist()
    assert frames == [0, 45, 90, 91, 92]
    assert joints == sorted((*SELECTIONS["upper"], *SELECTIONS["hands"]))
    assert control.mask.sum() == len(frames) * len(joints)


def test_all_is_shown_where_nothing_is_told(file):
    assert Given(file).control().mask.all()


@pytest.mark.parametrize(
    ("frames", "joints", "message"),
    [
        ("0,45;50", None, r"--given-frames 0,45;50: '45;50'; expected frames such as 0,45,90-95"),
        ("", None, r"--given-frames : ''; expected frames such as"),
        ("100", None, r"--given-frames 100: 100; expected frames of .*poses.npz, 0 to 99"),
        ("9-7", None, r"--given-frames 9-7: 9-7; expected frames of"),
        (None, "hand", r"unknown set of joints 'hand'.*did you mean 'hands'"),
    ],
)
def test_what_cannot_be_shown_is_refused(file, frames, joints, message):
    with pytest.raises(InputError, match=message):
        Given(file, frames, joints).control()


def test_only_methods_that_take_motion_are_given_some():
    check_takes_motion("emage")
    with pytest.raises(InputError, match=r"'mambatalk' takes no motion beside the speech; .* --control with .*emage"):
        check_takes_motion("mambatalk")


def test_frames_are_of_a_file(file):
    assert given_of(None, None, None) is None
    assert given_of(file, "3", None) == Given(file, "3")
    with pytest.raises(InputError, match="without --given; expected the motion file they are of"):
        given_of(None, "3", None)


def test_keyframes_and_a_motion_file_exclude_each_other(file):
    with pytest.raises(InputError, match="--control and --given; expected one of them"):
        given_of(file, None, None, file)
    with pytest.raises(InputError, match="with --control; expected them in the file of keyframes"):
        given_of(None, None, "upper", file)
