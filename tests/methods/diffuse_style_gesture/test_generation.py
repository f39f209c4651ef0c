"""Speech through windows, poses that are given, and the settings of sampling, with a small trained network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.rotations import axis_angle_to_matrix
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.base import Control
from gesturebench.methods.diffuse_style_gesture.fitting import build_network, denoising_losses, drawing

NAME = "diffuse_style_gesture"
QUICK = {"sampling": {"sampler": "ddim", "steps": 3}}


def turns(poses: np.ndarray) -> np.ndarray:
    """(T, 55, 3, 3): poses a whole turn apart are the same."""
    return axis_angle_to_matrix(torch.from_numpy(poses.astype(np.float64)).unflatten(-1, (55, 3))).numpy()


def keyframes(clip, frames: list[int]) -> Control:
    mask = np.zeros((clip.motion.n_frames, 55), bool)
    mask[frames] = True
    return Control(clip.motion, mask)


@pytest.mark.parametrize(
    ("number", "frames", "sampling"),
    [
        (3, [0, 47, 209], {"impose": "every"}),
        (3, [0, 47, 209], {"impose": "last"}),
        (0, [3, 14], {"sampler": "ddpm"}),
    ],
)
def test_given_poses_are_met(small, clips, number, frames, sampling):
    """In the first frame, in one that two windows share, and in the last."""
    clip, control = clips[number], keyframes(clips[number], frames)
    method = small.load(NAME, sampling=QUICK["sampling"] | sampling)
    free, led = (method.generate([clip.speech], seed=0, control=[c])[0] for c in (None, control))
    np.testing.assert_allclose(turns(led.poses[frames]), turns(clip.motion.poses[frames]), atol=1e-3)
    np.testing.assert_allclose(led.trans[frames, 1], clip.motion.trans[frames, 1], atol=1e-4)
    assert np.abs(turns(free.poses[frames]) - turns(clip.motion.poses[frames])).max() > 0.05
    if 0 in frames:
        np.testing.assert_allclose(led.trans[0], clip.motion.trans[0], atol=1e-4)


def test_a_pose_leads_its_neighbours_along(small, clips):
    clip, method = clips[1], small.load(NAME, **QUICK)
    other = replace(clip.motion, poses=clip.motion.poses + 0.3)
    first, second = (
        method.generate([clip.speech], seed=0, control=[keyframes(replace(clip, motion=motion), [60])])[0]
        for motion in (clip.motion, other)
    )
    changed = np.abs(turns(first.poses) - turns(second.poses)).max((1, 2, 3))
    assert changed[61] > 1e-3


def test_some_joints_alone(small, clips):
    clip, mask = clips[1], np.zeros((120, 55), bool)
    mask[50, [18, 20]] = True
    led = small.load(NAME, **QUICK).generate([clip.speech], seed=0, control=[Control(clip.motion, mask)])[0]
    gap = np.abs(turns(led.poses[50:51]) - turns(clip.motion.poses[50:51]))[0].max((1, 2))
    assert gap[[18, 20]].max() < 1e-3
    assert np.delete(gap, [18, 20]).max() > 0.05


def test_given_motion_of_another_rate_is_refused(small, clips):
    clip = clips[0]
    slow = keyframes(replace(clip, motion=replace(clip.motion, fps=15.0)), [2])
    with pytest.raises(InputError, match="15 frames per second; expected 30"):
        small.load(NAME, **QUICK).generate([clip.speech], seed=0, control=[slow])


def test_speech_without_a_frame_is_refused(small, clips):
    nothing = replace(clips[0].speech, audio=clips[0].speech.audio[:100])
    with pytest.raises(InputError, match="a speech of 0 frames; expected 1 or more"):
        small.load(NAME, **QUICK).generate([nothing], seed=0)


def test_silence_is_a_motion_too(small, clips):
    silent = replace(clips[2].speech, audio=np.zeros_like(clips[2].speech.audio))
    motion = small.load(NAME, **QUICK).generate([silent], seed=0)[0]
    assert motion.checked("silence").n_frames == 121


@pytest.mark.parametrize(
    "sampling", [{"start": "training"}, {"blend": "first_frame"}, {"smoothing": "released"}], ids=str
)
def test_settings_of_sampling_act_and_train_nothing_anew(small, clips, sampling):
    speech = clips[3].speech
    plain, other = (small.load(NAME, sampling=QUICK["sampling"] | extra) for extra in ({}, sampling))
    assert plain.components(plain.config) == other.components(other.config)
    first, second = (method.generate([speech], seed=0)[0] for method in (plain, other))
    assert second.checked("sampling").n_frames == first.n_frames
    assert np.abs(turns(first.poses) - turns(second.poses)).max() > 1e-3


def test_the_filter_calms_what_trembles(small, clips):
    def trembling(smoothing):
        method = small.load(NAME, sampling=QUICK["sampling"] | {"smoothing": smoothing})
        motion = method.generate([clips[3].speech], seed=0)[0]
        return np.abs(np.diff(turns(motion.poses), 2, axis=0)).mean()

    assert trembling("released") < 0.5 * trembling("none")


@pytest.mark.parametrize("settings", [{"network": {"attention": 4}}, {"differences": "two"}, {"styles": 1}], ids=str)
def test_variants_of_the_network(small, clips, settings):
    settings = settings | QUICK | {"training": {"steps": 3}}
    motion = small.load(NAME, **settings).generate([clips[3].speech], seed=0)[0]
    assert motion.checked("variant").n_frames == 210


def test_final_poses_are_not_known_before(small):
    with pytest.raises(InputError, match=r"network.attention 3 or 4"):
        small.config(NAME, network={"attention": 5})


def test_training_learns(small, store):
    """On windows it may have seen, at noise it has not."""
    config, artifacts = small.config(NAME), small.artifacts(NAME)
    context = FitContext(store, artifacts["network"], artifacts["network"], upstream=artifacts)
    batch = drawing(config, context).batch(16, torch_generator("held out"))
    torch.manual_seed(0)
    network = build_network(config).eval()
    with torch.no_grad():
        before = denoising_losses(network, batch)
        load_weights(network, artifacts["network"])
        after = denoising_losses(network, batch)
    assert after["loss"] < 0.8 * before["loss"]
    assert after.keys() == {"loss", "rotations", "root"}
