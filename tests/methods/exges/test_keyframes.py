"""Which poses a speech goes through, and how what retrieval found meets what the user gives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import HANDS, JOINT, UPPER
from gesturebench.methods.base import Control
from gesturebench.methods.exges.config import KeyframesConfig
from gesturebench.methods.exges.keyframes import both, capped, checked, clear_of, covering, nothing, placed
from gesturebench.methods.exges.retrieval.keyframes import Keyframe

CONFIG = KeyframesConfig()


def keyframe(frame: int, value: float = 0.5) -> Keyframe:
    return Keyframe(frame, "2_scott_0_1_1", 7, 0.9, (0.0, 1.0), np.full(165, value, np.float32))


def user(frames: int, at: list[int], value: float = -1.0) -> Control:
    control = nothing(frames)
    control.motion.poses[:] = value
    control.mask[at] = True
    return control


def test_a_keyframe_gives_body_and_hands_but_neither_root_nor_face():
    control = placed([keyframe(3)], 10, CONFIG)
    assert np.flatnonzero(control.mask.any(1)).tolist() == [3]
    free = {JOINT[name] for name in ("pelvis", "jaw", "left_eye", "right_eye")}
    assert set(range(55)) - set(np.flatnonzero(control.mask[3])) == free
    assert (control.motion.poses[3].reshape(55, 3)[control.mask[3]] == 0.5).all()
    assert not control.motion.poses[4].any()


def test_upper_keyframes_leave_the_legs_alone():
    control = placed([keyframe(0)], 1, KeyframesConfig(joints="upper"))
    assert set(np.flatnonzero(control.mask[0])) == {*UPPER, *HANDS}


def test_the_user_wins_joint_by_joint():
    given = nothing(10)
    given.motion.poses[:] = -1
    given.mask[3, 20] = True
    merged = both(given, placed([keyframe(3)], 10, CONFIG))
    poses = merged.motion.poses[3].reshape(55, 3)
    assert (poses[20] == -1).all()
    assert (poses[21] == 0.5).all()
    assert merged.mask[3, [20, 21]].all()
    assert merged.motion.trans is given.motion.trans


def test_keyframes_near_those_of_the_user_are_left_out():
    frames = [0, 20, 30, 40, 60]
    left = clear_of([keyframe(f) for f in frames], user(100, [30]).mask, 15)
    assert [one.frame for one in left] == [0, 60]
    assert len(clear_of([keyframe(f) for f in frames], nothing(100).mask, 15)) == 5


def test_what_is_given_is_cut_or_filled_to_the_length_of_the_speech():
    shorter = covering(user(10, [2, 9]), 5)
    assert (shorter.motion.n_frames, shorter.mask.shape) == (5, (5, 55))
    longer = covering(user(10, [2, 9]), 12)
    assert np.flatnonzero(longer.mask.any(1)).tolist() == [2, 9]
    assert longer.motion.checked("longer").n_frames == 12


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (lambda c: Control(replace(c.motion, fps=25.0), c.mask), "25 frames per second.*expected 30.*resample"),
        (lambda c: Control(c.motion, c.mask[:-1]), r"mask of shape \(9, 55\).*expected \(10, 55\)"),
        (lambda c: Control(replace(c.motion, poses=c.motion.poses * np.nan), c.mask), "poses.* is nan.*finite"),
        (lambda c: Control(replace(c.motion, poses=c.motion.poses[:, :72]), c.mask), r"poses has shape \(10, 72\)"),
    ],
)
def test_what_cannot_be_followed_is_refused(broken, what):
    with pytest.raises(InputError, match=what):
        checked(broken(user(10, [2])))


SIMILAR = st.lists(st.tuples(st.integers(0, 300), st.floats(-1, 1)), max_size=30, unique_by=lambda pair: pair[0])


@given(found=SIMILAR, cap=st.integers(1, 4))
def test_no_window_has_more_than_the_cap(found, cap):
    frames, similar = [f for f, _ in found], [s for _, s in found]
    starts, length = range(-30, 300, 120), 150
    kept = capped(frames, similar, starts, length, cap)
    assert kept == sorted(set(kept))
    for start in starts:
        assert sum(start <= frames[k] < start + length for k in kept) <= cap


@given(found=SIMILAR)
def test_of_one_window_the_most_similar_stay(found):
    frames, similar = [f for f, _ in found], [s for _, s in found]
    kept = capped(frames, similar, [0], 301, 3)
    assert len(kept) == min(3, len(found))
    assert sorted((similar[k] for k in kept), reverse=True) == sorted(similar, reverse=True)[:3]
