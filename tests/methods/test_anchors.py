"""The anchors of a table are what their names say."""

import numpy as np
import pytest

from gesturebench.common.motion.skeleton import EYES, JOINT, pose_channels
from gesturebench.methods.anchors import continued

ARMS = pose_channels(tuple(JOINT[f"{side}_{name}"] for side in ("left", "right") for name in ("shoulder", "elbow")))


def test_ground_truth_is_the_recording(generate, clips):
    for motion, clip in zip(generate("ground_truth", clips), clips, strict=True):
        np.testing.assert_array_equal(motion.poses, clip.motion.poses)
        np.testing.assert_array_equal(motion.trans, clip.motion.trans)


def test_reconstruction_is_nearer_to_the_recording_than_a_random_clip(generate, store):
    clips = [store.clip(name) for name in store.split("test")]
    error = {
        name: np.mean(
            [np.square(m.poses - c.motion.poses)[:, ARMS].mean() for m, c in zip(generate(name, clips), clips)]
        )
        for name in ("reconstruction", "random_clip")
    }
    assert error["reconstruction"] < 0.5 * error["random_clip"]


def test_reconstruction_keeps_body_place_and_leaves_the_eyes_alone(generate, clips):
    for motion, clip in zip(generate("reconstruction", clips), clips, strict=True):
        assert np.array_equal(motion.betas, clip.motion.betas)
        assert not motion.poses[:, pose_channels(EYES)].any()
        assert np.abs(motion.trans[0, [0, 2]] - clip.motion.trans[0, [0, 2]]).max() < 0.3


def source(motion, store) -> str:
    """The training clip whose beginning a motion plays."""
    head = motion.poses[:15]
    return next(c for c in store.split("train") if np.array_equal(store.motion(c).poses[:15], head))


def test_random_clip_plays_training_clips(generate, clips, store):
    """One clip for the whole cell, or one for every speech; either depends on the run seed."""
    cell = [{source(m, store) for m in generate("random_clip", clips, seed=seed)} for seed in range(6)]
    assert all(len(played) == 1 for played in cell)
    assert len(set.union(*cell)) > 1
    each = [{source(m, store) for m in generate("random_clip", clips, seed=seed, per="clip")} for seed in range(6)]
    assert max(map(len, each)) > 1


@pytest.mark.parametrize("frames", [1, 5, 119, 120, 121, 400])
def test_continued_swings_without_a_jump(store, frames):
    motion = store.motion(store.split("train")[0]).cut(0, 60)
    longer = continued(motion, frames)
    assert longer.n_frames == frames
    np.testing.assert_array_equal(longer.poses[:60], motion.poses[: min(60, frames)])
    steps = np.abs(np.diff(longer.poses, axis=0)).max(initial=0)
    assert steps <= np.abs(np.diff(motion.poses, axis=0)).max()
    if frames > 118:
        np.testing.assert_array_equal(longer.poses[59:119], motion.poses[::-1][: frames - 59])


def test_continued_holds_a_single_frame(store):
    motion = store.motion(store.split("train")[0]).cut(0, 1)
    np.testing.assert_array_equal(continued(motion, 3).poses, motion.poses.repeat(3, 0))
