"""Motion that is given: as masks of the network, and as the control of the method."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.codecs.prior_windows import CHANNELS, motion_channels
from gesturebench.common.errors import InputError
from gesturebench.common.motion.parts import foot_contact
from gesturebench.common.motion.skeleton import FEET
from gesturebench.methods.base import Control
from gesturebench.methods.emage.generation import Generator
from gesturebench.methods.emage.hints import Hint, hint_of, stacked, visible_channels

from .conftest import SEED_FRAMES, noise, told


def given_motion(frames: int) -> torch.Tensor:
    return Hint.nothing(frames).motion + 0.3 * noise(1, frames, CHANNELS, seed=3)


def predicted(toy, frames: int, hint: Hint | None = None):
    return toy.whole(told(frames, hint))[0].latents


def test_a_seed_is_the_first_four_frames_alone(toy):
    motion = given_motion(80)
    changed = motion.clone()
    changed[:, SEED_FRAMES:] += 1
    seeded = predicted(toy, 80, Hint.seed(motion))["upper"]
    assert torch.equal(seeded, predicted(toy, 80, Hint.seed(changed))["upper"])
    assert (seeded - predicted(toy, 80)["upper"]).abs().max() > 1e-4
    beginning = Hint.nothing(80).beginning(motion[:, :SEED_FRAMES])
    assert torch.equal(seeded, predicted(toy, 80, beginning)["upper"])


def test_a_hint_may_be_shorter_or_longer_than_the_speech(toy):
    motion = given_motion(80)
    hidden = torch.rand(motion.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    hint = Hint(motion, hidden)
    as_long = predicted(toy, 70, hint.frames(0, 70))["lower"]
    assert torch.equal(predicted(toy, 70, hint)["lower"], as_long)
    hidden[:, 40:] = True
    assert torch.equal(predicted(toy, 70, hint)["face"], predicted(toy, 70, hint.frames(0, 40))["face"])


def test_a_seed_gives_way_to_what_is_given():
    hint = Hint(given_motion(10), torch.ones(1, 10, CHANNELS, dtype=torch.bool))
    hint.hidden[:, 1, 7] = False
    started = hint.starting_with(torch.zeros(1, SEED_FRAMES, CHANNELS))
    assert started.motion[0, :SEED_FRAMES].count_nonzero() == 1
    assert started.motion[0, 1, 7] == hint.motion[0, 1, 7]
    assert not started.hidden[:, :SEED_FRAMES].any()
    assert started.hidden[:, SEED_FRAMES:].all()
    assert hint.hidden[:, 0].all(), "the hint itself is left alone"


def test_hints_are_stacked_in_order():
    first, second = Hint.nothing(5), Hint.seed(given_motion(5))
    both = stacked([first, second])
    assert torch.equal(both.motion[1:], second.motion)
    assert both.hidden.shape == (2, 5, CHANNELS)


def test_a_joint_shows_its_rotation_the_root_its_place_a_foot_its_contact():
    mask = torch.zeros(3, 55, dtype=torch.bool)
    mask[0, 20] = mask[1, 0] = mask[2, FEET[3]] = True
    visible = visible_channels(mask)
    assert [row.nonzero()[:, 0].tolist() for row in visible] == [
        list(range(120, 126)),
        [*range(6), 330, 331, 332],
        [*range(6 * FEET[3], 6 * FEET[3] + 6), 336],
    ]


@pytest.fixture
def clip(store):
    return store.clip(store.split("test")[0]).cut(0, 90)


def test_a_control_is_the_motion_and_the_inverse_of_its_mask(store, clip):
    mask = np.zeros((90, 55), bool)
    mask[[0, 50], 16] = True
    hint = hint_of(Control(clip.motion, mask), store.joints)
    poses, trans = (torch.from_numpy(np.array(x)) for x in (clip.motion.poses, clip.motion.trans))
    contact = torch.from_numpy(foot_contact(clip.motion, store.joints))
    torch.testing.assert_close(hint.motion[0], motion_channels(poses, trans, contact))
    assert torch.equal(hint.hidden[0], ~visible_channels(torch.from_numpy(mask)))


def test_controls_that_do_not_fit_are_refused(store, clip):
    with pytest.raises(InputError, match=r"a mask of shape \(90, 54\); expected \(90, 55\), as the motion"):
        hint_of(Control(clip.motion, np.ones((90, 54), bool)), store.joints)
    slow = replace(clip.motion, fps=15.0)
    with pytest.raises(InputError, match="given motion of 15 frames per second; expected 30; resample it"):
        hint_of(Control.everything(slow), store.joints)


@pytest.fixture
def generator(toy, store) -> Generator:
    """Fresh networks hardly heed motion: with larger weights other hints are other codes."""
    model = copy.deepcopy(toy.model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        for name, parameter in model.named_parameters():
            if name.endswith("weight") and ("bodyhints" in name or "moton_proj" in name or "_cls" in name):
                torch.nn.init.normal_(parameter)
            elif name.endswith("bias") and "norm" not in name:
                torch.nn.init.zeros_(parameter)
    return Generator(toy.config, model, toy.vqs, store)


def test_keyframes_change_what_is_generated(generator, clip):
    """A pose in the second window changes that window, and no motion before it but what decoding sees of it."""
    mask = np.zeros((90, 55), bool)
    mask[75] = True
    posed = replace(clip.motion, poses=clip.motion.poses + np.float32(0.5))
    controls = [None, Control(posed, mask), Control(posed, mask & False)]
    plain, led, nothing = generator.batch([clip.speech] * 3, controls, seed=0)
    np.testing.assert_array_equal(plain.poses, nothing.poses, err_msg="a control that gives nothing")
    assert np.abs(plain.poses - led.poses).max() > 1e-3
    np.testing.assert_array_equal(plain.poses[:40], led.poses[:40])


def start(generator: Generator, clip, control=None, seed=0) -> torch.Tensor:
    """(4, M) what the first window continues."""
    return generator.told(clip.speech, control, seed).hint.motion[0, :SEED_FRAMES]


def test_seeds_choose_the_start_among_frames_of_the_speaker(generator, store, clip):
    drawn = [start(generator, clip, seed=seed) for seed in range(4)]
    assert torch.equal(drawn[0], start(generator, clip))
    assert not torch.equal(drawn[0], drawn[1])
    there = [clip_id for clip_id in store.split("train") if clip_id.split("_")[0] == str(clip.speech.speaker)]
    heights = {float(y) for clip_id in there for y in store.motion(clip_id).trans[:, 1]}
    assert {float(y) for frames in drawn for y in frames[:, 331]} <= heights


def test_what_is_given_takes_the_place_of_a_drawn_start(generator, clip):
    mask = np.zeros((90, 55), bool)
    mask[:2] = True
    given = start(generator, clip, Control(clip.motion, mask))
    torch.testing.assert_close(given[:, 331][:2], torch.from_numpy(clip.motion.trans[:2, 1].copy()))
    assert torch.equal(given[2:], start(generator, clip)[2:])


def test_a_start_at_rest_is_the_rest_pose_at_the_origin(toy, store, clip):
    config = toy.config.updated({"generation": {"start": "rest"}})
    rest = start(Generator(config, toy.model, toy.vqs, store), clip)
    assert torch.equal(rest[:, :6], torch.tensor([[1.0, 0, 0, 0, 1, 0]]).expand(SEED_FRAMES, -1))
    assert rest[:, 330:].abs().max() == 0


def test_the_root_where_given_is_where_the_motion_begins(generator, clip):
    motion = replace(clip.motion, trans=clip.motion.trans + np.float32([2, 0, -1]))
    mask = np.zeros((90, 55), bool)
    mask[0, 0] = True
    (made,) = generator.batch([clip.speech], [Control(motion, mask)], seed=0)
    np.testing.assert_allclose(made.trans[0, [0, 2]], motion.trans[0, [0, 2]], rtol=1e-6)


def test_given_parts_are_shown_and_told_of(small, clip):
    config = small.config("emage", given=["upper", "hands"])
    method = small.load("emage", given=["upper", "hands"])
    shown = method.shown(config)
    assert (len(shown), method.query(config)) == (43, "oracle")
    assert (method.shown(small.config("emage")), method.query(small.config("emage"))) == ((), "none")
    assert [c.config for c in method.components(config)] == [c.config for c in method.components(small.config("emage"))]
    with pytest.raises(InputError, match="given = upper, hands, and no motion was given"):
        method.generate([clip.speech], seed=0)
    (made,) = method.generate([clip.speech], seed=0, control=[Control.of(clip.motion, shown)])
    assert made.checked("given").n_frames == 90
