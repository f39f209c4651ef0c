"""MambaTalk from clips to motion: where it starts, how it ends, its seams, and training that can be told apart."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.methods.base import Control
from gesturebench.methods.mambatalk.components import trained_components
from gesturebench.methods.mambatalk.config import PRESETS
from gesturebench.methods.mambatalk.method import MambaTalk


@pytest.fixture(scope="module")
def load(small):
    return lambda **generation: small.load("mambatalk", generation=generation)


def test_a_start_is_drawn_by_seed_and_clip_or_given(load, clips):
    starts = load()._generator
    speech, control = clips[3].speech, Control.everything(clips[3].motion)
    first, again, other = (starts._first_frames(speech, None, seed) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)
    assert first[0, [330, 332]].tolist() == [0, 0]
    elsewhere = starts._first_frames(replace(speech, clip_id="another"), None, 0)
    assert not first.equal(elsewhere)
    rest = load(start="rest")._generator._first_frames(speech, None, 0)
    assert rest[:, 330:].abs().sum() == 0
    given = load(start="reference")._generator._first_frames(speech, control, 0)
    np.testing.assert_allclose(given[:, 330:333].numpy(), clips[3].motion.trans[:4])


def test_a_row_that_starts_from_the_truth_says_so_and_needs_it(load, clips):
    method = load(start="reference")
    assert MambaTalk.query(method.config) == "oracle"
    assert MambaTalk.shown(method.config) == tuple(range(55))
    assert MambaTalk.query(PRESETS["paper"]) == "none"
    assert MambaTalk.shown(PRESETS["paper"]) == ()
    control = [Control.everything(clip.motion) for clip in clips]
    motions = method.generate([clip.speech for clip in clips], seed=0, control=control)
    for motion, clip in zip(motions, clips, strict=True):
        assert motion.n_frames == clip.speech.n_frames(30)
        np.testing.assert_allclose(motion.trans[0, [0, 2]], clip.motion.trans[0, [0, 2]], atol=1e-6)
    with pytest.raises(InputError, match=r"no motion was given for .*; expected all joints in its first 4 frames"):
        method.generate([clips[0].speech], seed=0)


def test_released_tails_stand_still(load, clips):
    motion = load(tail="released").generate([clips[3].speech], seed=0)[0]
    made = 28 * ((clips[3].speech.n_frames(30) // 8 * 8 - 4) // 28) + 4
    assert motion.n_frames == clips[3].speech.n_frames(30) > made
    assert np.ptp(motion.poses[made - 1 :], axis=0).max() == 0


def test_generation_settings_change_no_component():
    config = PRESETS["tiny"]
    other = config.updated({"generation": {"start": "rest", "audio_hop": "released", "together": 2}})
    assert trained_components(config) == trained_components(other)


def test_without_codes_only_the_network_of_global_motion_is_needed():
    config = PRESETS["tiny"].updated({"network": {"target": "motion"}})
    assert [part.name for part in trained_components(config)] == ["global_motion", "network"]


def test_without_codes_motion_is_generated(small, clips):
    method = small.load("mambatalk", network={"target": "motion"}, training={"steps": 4})
    for motion, clip in zip(method.generate([c.speech for c in clips], seed=0), clips, strict=True):
        assert motion.checked("regressed").n_frames == clip.speech.n_frames(30)


def test_progress_is_told_between_windows_and_may_stop_there(load, clips):
    calls = []
    load().generate([c.speech for c in clips], seed=0, progress=lambda *done: calls.append(done))
    assert len(calls) > 5
    assert calls[-1] == (4, 4)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load().generate([clips[3].speech], seed=0, progress=stop)
