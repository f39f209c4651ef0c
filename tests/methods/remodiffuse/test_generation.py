"""ReMoDiffuse from clips to motion: any length, seams, and what is left out on request."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.errors import InputError
from gesturebench.common.motion.resample import decimate
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.remodiffuse.components import trained_components
from gesturebench.methods.remodiffuse.config import PRESETS

TINY = PRESETS["tiny"]


@pytest.mark.parametrize("frames", [15, 119, 121, 1800])
def test_half_a_second_to_a_minute(small, store, frames):
    speech = store.speech(store.split("test")[0])
    count = -(-frames * SAMPLE_RATE // 30)
    whole = np.resize(speech.audio, count)
    motion = small.load("remodiffuse").generate([replace(speech, audio=whole)], seed=0)[0]
    assert motion.checked("remodiffuse").n_frames == frames


def test_windows_meet_without_a_step(small, store):
    """Where a window takes over, motion is no faster than elsewhere."""
    speech = store.speech(store.split("test")[0])
    speech = replace(speech, audio=np.resize(speech.audio, 900 * SAMPLE_RATE // 30))
    slow = decimate(small.load("remodiffuse").generate([speech], seed=0)[0], 15)
    frames, overlap = TINY.motion.frames, TINY.sampling.overlap
    starts = range(frames - overlap, slow.n_frames - overlap, frames - overlap)
    for values in (slow.poses, slow.trans):
        speed = np.abs(np.diff(values, axis=0)).mean(1)
        seams = np.concatenate([speed[start - 1 : start + overlap] for start in starts])
        assert seams.max() < 1.5 * speed.max() + 1e-9
        assert seams.mean() < 1.5 * speed.mean()


def test_carried_frames_stand_at_the_beginning_of_every_step(small, store):
    """What the window before ended with, noised to the level of the step; all behind it is left alone."""
    generator = small.load("remodiffuse")._generator
    overlap, frames, schedule = TINY.sampling.overlap, TINY.motion.frames, generator._sampler.schedule
    known, x = torch.randn(2, overlap, 337), torch.randn(2, frames, 337)
    change = generator._carry(known, [torch_generator("carry", row) for row in range(2)])
    for step in (0, 5, len(schedule) - 1):
        changed, level = change(x, step), float(schedule.alpha_bar[step])
        assert torch.equal(changed[:, overlap:], x[:, overlap:])
        noise = (changed[:, :overlap] - level**0.5 * known) / (1 - level) ** 0.5
        assert abs(float(noise.std()) - 1) < 0.05
        assert abs(float(noise.mean())) < 0.05
    assert not torch.equal(change(x, 5)[0, :overlap] - change(x, 5)[1, :overlap], known[0] - known[1])


def test_windows_know_of_each_other_only_when_carried(small, store):
    speech = store.speech(store.split("test")[0])
    speech = replace(speech, audio=np.resize(speech.audio, 300 * SAMPLE_RATE // 30))
    motions = [
        small.load("remodiffuse", sampling={"continuity": name}).generate([speech], seed=0)[0]
        for name in ("carried", "faded")
    ]
    first = 2 * (TINY.motion.frames - TINY.sampling.overlap) - 2
    assert np.array_equal(motions[0].poses[:first], motions[1].poses[:first])
    assert np.abs(motions[0].poses[first + 40 :] - motions[1].poses[first + 40 :]).max() > 1e-4


def test_without_retrieval_there_is_no_database(small, store, clips):
    config = small.config("remodiffuse", use_retrieval=False, mixture={"policy": "cfg_text"})
    assert [part.name for part in trained_components(config)] == ["motion_features", "network"]
    motions = small.load("remodiffuse", use_retrieval=False, mixture={"policy": "cfg_text"}).generate(
        [clip.speech for clip in clips[:2]], seed=0
    )
    assert [motion.n_frames for motion in motions] == [15, 120]


def test_a_mixture_of_what_the_run_does_not_have_is_refused(small):
    with pytest.raises(InputError, match=r"mixture.policy = 'released'.*no retrieval"):
        small.config("remodiffuse", use_retrieval=False)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="at most half"):
        TINY.updated({"sampling": {"overlap": 31}})
    with pytest.raises(InputError, match="nothing else to show"):
        TINY.updated({"use_retrieval": False, "mixture": {"policy": "none"}, "retrieval": {"shown": True}})
    with pytest.raises(InputError, match="unknown key"):
        TINY.updated({"conditions": {"audio_injections": "both"}})


def test_what_retrieval_is_trained_with_trains_anew():
    network = {}
    for name, overrides in {
        "as it is": {},
        "lambda": {"retrieval": {"length_weight": 0.0}},
        "samples": {"retrieval": {"samples": 1}},
        "keys": {"denoiser": {"attention_keys": "motion"}},
        "stride": {"denoiser": {"retrieval": {"stride": 8}}},
        "index": {"retrieval": {"index": "flat"}},
        "mixture": {"mixture": {"policy": "both_only"}},
    }.items():
        parts = {part.name: part for part in trained_components(TINY.updated(overrides))}
        network[name] = parts["network"].config
        assert parts["phrases"].config == {p.name: p for p in trained_components(TINY)}["phrases"].config
    same = {name for name, config in network.items() if config == network["as it is"]}
    assert same == {"as it is", "index", "mixture"}


@pytest.mark.parametrize(("mixture", "expected"), [("none", 1), ("cfg_text", 2), ("released_mean", None)])
def test_evaluations_are_counted(small, store, mixture, expected):
    """By hand: branches that the policy weighs, in every step of every window."""
    method = small.load("remodiffuse", mixture={"policy": mixture})
    assert method.evaluations() is None
    method.generate([store.speech(clip) for clip in store.split("test")[:2]], seed=0)
    steps = len(method._generator._sampler.schedule)
    if expected is None:
        assert 2 * steps < method.evaluations() <= 4 * steps
    else:
        assert method.evaluations() == expected * steps
