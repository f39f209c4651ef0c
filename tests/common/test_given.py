"""Poses that a protocol gives: where they lie, whose they are, and that protocols without any are what they were."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Clip, Motion, Speech
from gesturebench.common.corpus.given import FOREIGN_JOINTS, Given, as_given, control_indices
from gesturebench.common.corpus.protocol import Protocol, get_protocol
from gesturebench.common.corpus.protocols import PROTOCOLS
from gesturebench.common.corpus.units import Cut, Pair, Unit
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import pose_channels

UNIT = Unit("2_a_0_1_1/3", "2_a_0_1_1", 192, 256)


def moving(number: int, frames: int = 64) -> Motion:
    poses = np.random.default_rng(number).normal(0, 0.3, (frames, 165)).astype(np.float32)
    return Motion(poses, np.zeros((frames, 100)), np.ones((frames, 3)), np.zeros(300), 30.0)


class Store:
    """Three training clips, two of speaker 2."""

    motions: ClassVar = {"2_a_0_7_7": moving(7), "2_a_0_8_8": moving(8), "3_b_0_1_1": moving(3)}

    def split(self, name):
        assert name == "train", "poses of other clips are training poses"
        return tuple(self.motions)

    def motion(self, clip_id):
        return self.motions[clip_id]

    def n_frames(self, clip_id):
        return self.motions[clip_id].n_frames


@pytest.mark.parametrize(("k", "frames"), [(1, [32]), (2, [16, 48]), (3, [10, 32, 53])])
def test_evenly_spaced_frames_are_the_middles_of_equal_parts(k, frames):
    shown = Given(frames=k).shown(UNIT, moving(0), None, draw=0)
    assert np.flatnonzero(shown.frames).tolist() == frames == control_indices(64, k).tolist()
    assert shown.mask.all(1).nonzero()[0].tolist() == frames
    assert shown.mask.sum() == 55 * k


def test_random_frames_differ_between_windows_and_draws_and_never_repeat_within_one():
    given = Given(frames=5, placement="random")
    units = [replace(UNIT, id=f"2_a_0_1_1/{k}") for k in range(40)]
    found = {(unit.id, draw): given.indices(unit, draw) for unit in units for draw in (0, 1)}
    assert all(len(set(frames)) == 5 and (np.diff(frames) > 0).all() for frames in found.values())
    assert len({tuple(frames) for frames in found.values()}) == len(found)
    assert all((given.indices(unit, 1) == found[unit.id, 1]).all() for unit in units)
    drawn = np.concatenate(list(found.values()))
    assert drawn.min() < 5 < 58 < drawn.max()


def test_a_true_beginning_is_given_and_no_control_frame():
    shown = Given(frames=1, start=30).shown(UNIT, moving(0), None, draw=0)
    assert shown.mask.all(1).nonzero()[0].tolist() == [*range(30), 32]
    assert shown.frames.sum() == 1


def test_a_foreign_pose_is_one_of_the_speakers_training_poses_on_the_own_pelvis():
    own, store = moving(0), Store()
    shown = Given(frames=2, source="foreign").shown(UNIT, own, store, draw=4)
    body = pose_channels(FOREIGN_JOINTS)
    others = np.concatenate([store.motions[i].poses for i in ("2_a_0_7_7", "2_a_0_8_8")])[:, body]
    for frame in range(64):
        if shown.frames[frame]:
            assert (others == shown.motion.poses[frame, body]).all(1).any()
            rest = np.delete(np.arange(165), body)
            assert (shown.motion.poses[frame, rest] == own.poses[frame, rest]).all()
        else:
            assert (shown.motion.poses[frame] == own.poses[frame]).all()
    assert not shown.mask[:, [0, 22, 23, 24]].any()
    assert (own.poses == moving(0).poses).all(), "the true motion is left as it was"


def test_a_speaker_without_training_clips_has_no_foreign_poses():
    stranger = Unit("9_c_0_1_1/0", "9_c_0_1_1", 0, 64)
    with pytest.raises(InputError, match=r"no training clip of speaker 9 .* for 9_c_0_1_1/0"):
        Given(frames=1, source="foreign").shown(stranger, moving(0), Store(), draw=0)


def test_a_pair_says_what_was_given_and_is_compared_with_it():
    clip = Clip(UNIT.clip_id, Speech(UNIT.clip_id, np.zeros(10), 2), moving(0))
    pair = Pair(UNIT, moving(1), clip)
    assert as_given(pair, None, None) is pair
    own = as_given(pair, Given(frames=2), None)
    assert (own.clip.motion.poses == clip.motion.poses).all()
    assert np.flatnonzero(own.given).tolist() == [16, 48]
    foreign = as_given(pair, Given(frames=2, source="foreign"), Store(), draw=1)
    changed = (foreign.clip.motion.poses != clip.motion.poses).any(1)
    assert np.flatnonzero(changed).tolist() == [16, 48]


def test_protocols_without_given_poses_are_what_they_were():
    plain = Protocol(name="a", description="")
    assert "given" not in plain.scope()
    assert get_protocol("standin").hash == "c528f9b7f138"
    with_poses = Protocol(name="a", description="", cut=Cut(window=64), given=Given(frames=1))
    without = with_poses.model_copy(update={"given": None})
    assert with_poses.hash != without.hash
    assert with_poses.scope() != with_poses.model_copy(update={"given": Given(frames=2)}).scope()
    assert Protocol.parse(with_poses.model_dump(mode="json")) == with_poses


@pytest.mark.parametrize(
    ("cut", "given"),
    [(Cut(), Given(frames=1)), (Cut(window=4), Given(frames=5)), (Cut(window=4), Given(frames=1, start=5))],
)
def test_poses_are_given_in_windows_that_hold_them(cut, given):
    with pytest.raises(ValueError, match=r"inside windows of cut.window frames"):
        Protocol(name="a", description="", cut=cut, given=given)


def test_scores_and_poses_of_the_control_protocols_agree():
    """What a metric leaves out is what methods were given."""
    found = [protocol for protocol in PROTOCOLS.values() if protocol.given is not None]
    assert len(found) == 10
    for protocol in found:
        settings = protocol.settings("mpjpe")
        assert settings["control_frames"] == protocol.given.frames
        assert protocol.given.start in (0, settings["seed_frames"])
        assert (settings.get("scored") == "control") == (protocol.given.source == "foreign")
