"""Motion of whole speeches through given and retrieved poses, with a network that was trained for a few steps."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.errors import InputError
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import JOINT
from gesturebench.methods.base import Control
from gesturebench.methods.exges.keyframes import CONTROLLED, nothing

FREE = {"keyframes": {"source": "none"}}
EXACT = {"sampling": {"hard_impose": "last"}}
BODY = list(CONTROLLED["body"])


def six(poses: np.ndarray) -> np.ndarray:
    """(..., 165) -> (..., 55, 6), in which equal rotations are equal numbers."""
    return axis_angle_to_6d(torch.from_numpy(np.array(poses)).unflatten(-1, (55, 3))).numpy()


def given_at(clip, frames: list[int], joints: list[int] | None = None) -> Control:
    """The clip's own poses in some frames, and nothing elsewhere, not even its motion."""
    control, joints = nothing(clip.motion.n_frames), list(range(55)) if joints is None else joints
    control.motion.poses[frames], control.motion.trans[frames] = clip.motion.poses[frames], clip.motion.trans[frames]
    for frame in frames:
        control.mask[frame, joints] = True
    return control


def test_imposed_poses_of_the_user_hold_in_every_window(small, clips):
    clip, frames = clips[3], [0, 17, 44, 45, 100, 209]
    control = given_at(clip, frames)
    motion = small.load("exges", **FREE, **EXACT).generate([clip.speech], seed=0, control=[control])[0]
    np.testing.assert_allclose(six(motion.poses[frames]), six(clip.motion.poses[frames]), atol=2e-3)
    np.testing.assert_allclose(motion.trans[frames, 1], clip.motion.trans[frames, 1], atol=1e-4)


def test_a_given_path_is_walked(small, clips):
    clip = clips[3]
    control = Control.of(clip.motion, [JOINT["pelvis"]])
    motion = small.load("exges", **FREE, **EXACT).generate([clip.speech], seed=0, control=[control])[0]
    np.testing.assert_allclose(motion.trans, clip.motion.trans, atol=1e-3)


def test_what_is_given_in_one_joint_leaves_others_free(small, clips):
    clip, wrist = clips[2], JOINT["right_wrist"]
    control = given_at(clip, [60], [wrist])
    motion = small.load("exges", **FREE, **EXACT).generate([clip.speech], seed=0, control=[control])[0]
    off = np.abs(six(motion.poses[60]) - six(clip.motion.poses[60])).max(-1)
    assert off[wrist] < 2e-3
    assert np.delete(off, wrist).max() > 1e-2


def test_true_keyframes_are_met(small, clips):
    clip = clips[3]
    method = small.load("exges", keyframes={"source": "ground_truth"}, **EXACT)
    assert method.query(method.config) == "oracle"
    assert len(method.shown(method.config)) == 55
    motion = method.generate([clip.speech], seed=0, control=[Control.everything(clip.motion)])[0]
    told = method.explain([clip.speech], seed=0)[0]["segments"]
    frames = [segment["keyframe"]["frame"] for segment in told if (segment["keyframe"] or {}).get("kept")]
    assert frames
    off = np.abs(six(motion.poses) - six(clip.motion.poses))[:, BODY].max((1, 2))
    assert off[frames].max() < 2e-3
    assert np.delete(off, frames).min() > 1e-2


def test_true_keyframes_need_the_truth(small, clips):
    method = small.load("exges", keyframes={"source": "ground_truth"})
    with pytest.raises(InputError, match=r"keyframes = ground_truth.*no motion was given"):
        method.generate([clips[0].speech], seed=0)


@pytest.mark.parametrize("source", ["retrieved", "random", "middle_frame"])
def test_found_poses_are_those_of_the_source_that_is_told(small, clips, store, source):
    clip = clips[3]
    method = small.load("exges", keyframes={"source": source}, retrieval={"search": {"gate": False}}, **EXACT)
    told = method.explain([clip.speech], seed=0)[0]["segments"]
    json.dumps(told)
    points = method.explain([clip.speech], seed=0)[0]["windows"][0]["points"]
    placed = [point["placed"]["slots"][0] for point in points if point["placed"]]
    assert placed == [s["keyframe"]["frame"] for s in told if (s["keyframe"] or {}).get("kept")]
    keyframes = [segment["keyframe"] for segment in told if (segment["keyframe"] or {}).get("kept")]
    assert keyframes
    motion = method.generate([clip.speech], seed=0)[0]
    for one in keyframes:
        pose = store.motion(one["recording"]).poses[one["source_frame"]]
        np.testing.assert_allclose(six(motion.poses[one["frame"]])[BODY], six(pose)[BODY], atol=2e-3)


def test_the_user_wins_over_retrieval(small, clips):
    clip, search = clips[3], {"retrieval": {"search": {"gate": False}}}
    method = small.load("exges", **search, **EXACT)
    told = method.explain([clip.speech], seed=0)[0]["segments"]
    taken = next(s["keyframe"]["frame"] for s in told if (s["keyframe"] or {}).get("kept"))
    motion = method.generate([clip.speech], seed=0, control=[given_at(clip, [taken])])[0]
    np.testing.assert_allclose(six(motion.poses[taken]), six(clip.motion.poses[taken]), atol=2e-3)


def test_nothing_is_retrieved_where_nothing_is_said(small, silent_speech):
    silent = replace(silent_speech, words=(), audio=np.zeros_like(silent_speech.audio))
    method, free = small.load("exges"), small.load("exges", **FREE)
    told = method.explain([silent], seed=0)[0]
    assert told["segments"] == told["windows"][0]["points"] == []
    made, expected = (one.generate([silent], seed=0)[0] for one in (method, free))
    assert np.array_equal(made.poses, expected.poses)
    assert made.checked("silence").n_frames == silent.n_frames(30)


def test_without_retrieval_there_is_nothing_to_explain(small, clips):
    method = small.load("exges", **FREE)
    assert method.explain([clips[0].speech], seed=0) is None
    assert method.query(method.config) == "none"


def test_a_minute_of_speech(small, store):
    speech = store.speech(store.split("test")[0])
    audio = np.tile(speech.audio, 10)[: 60 * SAMPLE_RATE]
    motion = small.load("exges", **FREE).generate([replace(speech, audio=audio, words=())], seed=0)[0]
    assert motion.checked("a minute").n_frames == 1800


def test_a_motion_may_start_from_a_training_clip(small, clips):
    mean, training = (
        small.load("exges", **FREE, sampling={"start": start}).generate([clips[2].speech], seed=0)[0]
        for start in ("mean", "training")
    )
    assert np.abs(mean.poses - training.poses).max() > 1e-3


def test_broken_control_is_refused(small, clips):
    clip = clips[2]
    bad = replace(clip.motion, poses=np.full_like(clip.motion.poses, np.nan))
    with pytest.raises(InputError, match="given motion: poses"):
        small.load("exges", **FREE).generate([clip.speech], seed=0, control=[Control.everything(bad)])


def test_smoothing_calms_motion_and_leaves_what_is_imposed(small, clips):
    clip, frames = clips[3], [40, 150]
    rough, smooth = (
        small.load("exges", **FREE, sampling={**EXACT["sampling"], "smoothing": how}).generate(
            [clip.speech], seed=0, control=[given_at(clip, frames)]
        )[0]
        for how in ("none", "released")
    )
    np.testing.assert_allclose(six(smooth.poses[frames]), six(clip.motion.poses[frames]), atol=2e-3)
    tremble = [np.abs(np.diff(six(motion.poses)[:, BODY], 2, axis=0)).mean() for motion in (rough, smooth)]
    assert tremble[1] < 0.7 * tremble[0]
