"""The anchors of a table are what their names say."""

import numpy as np
import pytest

from gesturebench.common.codecs.part_vqs import TRANSLATION, PartVQs, poses_of
from gesturebench.common.codecs.prior_windows import PriorWindows
from gesturebench.common.corpus.windows import Window
from gesturebench.common.motion.skeleton import EYES, JOINT, PART_JOINTS, pose_channels
from gesturebench.methods.anchors import continued
from gesturebench.methods.base import Control

ARMS = pose_channels(tuple(JOINT[f"{side}_{name}"] for side in ("left", "right") for name in ("shoulder", "elbow")))


def test_ground_truth_is_the_recording(generate, clips):
    for motion, clip in zip(generate("ground_truth", clips), clips, strict=True):
        np.testing.assert_array_equal(motion.poses, clip.motion.poses)
        np.testing.assert_array_equal(motion.trans, clip.motion.trans)


@pytest.mark.parametrize(
    ("name", "longer"),
    [("reconstruction", {}), ("vq_reconstruction", {"priors": {"body": "none", "training": {"steps": 60}}})],
)
def test_reconstruction_is_nearer_to_the_recording_than_a_random_clip(generate, store, name, longer):
    clips = [store.clip(name) for name in store.split("test")]
    error = {
        row: np.mean(
            [np.square(m.poses - c.motion.poses)[:, ARMS].mean() for m, c in zip(generate(row, clips, **more), clips)]
        )
        for row, more in ((name, longer), ("random_clip", {}))
    }
    assert error[name] < 0.5 * error["random_clip"]


@pytest.mark.parametrize("name", ["reconstruction", "vq_reconstruction"])
def test_reconstruction_keeps_body_place_and_leaves_the_eyes_alone(generate, clips, name):
    for motion, clip in zip(generate(name, clips), clips, strict=True):
        assert np.array_equal(motion.betas, clip.motion.betas)
        assert not motion.poses[:, pose_channels(EYES)].any()
        assert np.abs(motion.trans[0, [0, 2]] - clip.motion.trans[0, [0, 2]]).max() < 0.3


def test_codes_and_decoded_legs_are_all_that_is_left_of_a_recording(small, store, clips):
    """Poses are those of the codes of the whole clip; the walk is the network's, from the recording's first place."""
    method, clip = small.load("vq_reconstruction"), clips[3]
    vqs = PartVQs(small.config("vq_reconstruction").priors, small.artifacts("vq_reconstruction"))
    windows = PriorWindows(store, "test")
    cut = [Window(clip.id, 0, clip.motion.n_frames)]
    decoded = vqs.decode(vqs.indices(windows.features(cut)))
    moved = vqs.global_motion(decoded["lower"])[0, :, TRANSLATION].numpy()
    (motion,) = method.generate([clip.speech], seed=0, control=[Control.everything(clip.motion)])
    body = pose_channels(tuple(joint for part in ("upper", "hands", "face") for joint in PART_JOINTS[part]))
    np.testing.assert_allclose(motion.poses[:, body], poses_of(decoded)[0, :, body], atol=1e-5)
    np.testing.assert_allclose(motion.trans[:-2, 1], moved[:-2, 1], atol=1e-4)
    np.testing.assert_allclose(np.diff(motion.trans[:-2, [0, 2]], axis=0), moved[:-3, [0, 2]] / 30, atol=1e-4)
    np.testing.assert_allclose(motion.trans[0, [0, 2]], clip.motion.trans[0, [0, 2]], atol=1e-6)


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
