"""Whole motions: what a run may know, seams, and retrieved gestures that can be recognised."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.errors import InputError
from gesturebench.common.motion.rotations import axis_angle_to_6d
from gesturebench.common.motion.skeleton import UPPER
from gesturebench.methods.registry import get_method

RAG = {"retrieval": {"strategy": "discourse", "window_stride": 30}, "guidance": {"mode": "paper", "schedule": "all_10"}}


def upper(motion) -> np.ndarray:
    """(T, 13, 6) rotations of the upper body."""
    poses = torch.from_numpy(np.array(motion.poses)).unflatten(-1, (55, 3))
    return axis_angle_to_6d(poses[:, list(UPPER)]).numpy()


@pytest.mark.parametrize(
    ("strategy", "query"),
    [
        ("none", "none"),
        ("discourse", "annotation"),
        ("gesture_type", "annotation"),
        ("llm", "text"),
        ("text", "text"),
        ("random", "annotation"),
        ("positions", "oracle"),
    ],
)
def test_what_a_strategy_is_told_is_declared(small, strategy, query):
    config = small.config("rag_gesture", retrieval={"strategy": strategy})
    assert get_method("rag_gesture").query(config) == query
    if strategy in ("discourse", "gesture_type", "llm"):
        random = small.config("rag_gesture", retrieval={"strategy": "random", "places": strategy})
        assert get_method("rag_gesture").query(random) == query


def annotated(speech: Speech, *, relations: bool, oracle: bool, store) -> Speech:
    events = store.speech(speech.clip_id, oracle=True).oracle if oracle else ()
    return replace(speech, relations=speech.relations if relations else (), oracle=events)


@pytest.mark.parametrize("strategy", ["none", "discourse", "random", "positions"])
def test_a_strategy_reads_what_it_declares_and_nothing_more(small, store, strategy):
    """Adding relations or the truth changes the motion exactly where the strategy says that it uses them."""
    method = small.load("rag_gesture", **{**RAG, "retrieval": {"strategy": strategy, "window_stride": 30}})
    speech = store.speech(store.split("test")[0])

    def motion(**told) -> np.ndarray:
        return method.generate([annotated(speech, store=store, **told)], seed=0)[0].poses

    plain = motion(relations=False, oracle=False)
    related = motion(relations=True, oracle=False)
    leaked = motion(relations=True, oracle=True)
    assert np.array_equal(plain, related) == (strategy in ("none", "positions"))
    assert np.array_equal(related, leaked) == (strategy != "positions")


@pytest.mark.parametrize("strategy", ["discourse", "gesture_type", "llm", "text", "random"])
def test_batch_and_order_do_not_matter_with_retrieval(small, store, strategy, monkeypatch):
    monkeypatch.setenv("GESTUREBENCH_INVERSIONS_GB", "0")  # what one inverts, the other does not find
    overrides = {**RAG, "retrieval": {"strategy": strategy, "window_stride": 30}}
    speeches = [store.speech(clip) for clip in store.split("test")]
    together = small.load("rag_gesture", **overrides).generate(speeches, seed=0, batch_size=8)
    alone = small.load("rag_gesture", **overrides).generate(speeches[::-1], seed=0, batch_size=1)[::-1]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(upper(a), upper(b), atol=1e-5)
        np.testing.assert_allclose(a.trans, b.trans, atol=1e-5)


def test_seams_move_no_faster_than_the_rest(small, store):
    """Windows of 4 s start every 3 s and share 1 s; frame 90 k is where one begins to fade into the next."""
    speeches = [store.speech(clip) for clip in store.split("test")]
    for motion in small.load("rag_gesture").generate(speeches, seed=0):
        speed = np.linalg.norm(np.diff(upper(motion), axis=0), axis=(1, 2))
        drift = np.linalg.norm(np.diff(motion.trans, axis=0), axis=1)
        starts = list(range(90, motion.n_frames - 31, 90))
        at_seams = np.concatenate([np.arange(k - 2, k + 32) for k in starts])
        inside = np.setdiff1d(np.arange(motion.n_frames - 1), at_seams)
        assert speed[at_seams].mean() < 2 * speed[inside].mean()
        assert speed[at_seams].max() < 2 * speed[inside].max()
        assert drift[at_seams].max() < 2 * drift[inside].max()


def test_a_window_continues_the_latents_of_the_one_before(small, store):
    """With the end of a window carried on, the next one starts nearer to it than without."""
    method, gaps = small.load("rag_gesture"), {}
    slots, carried = method._generator._layout.slots, method._generator._carried
    for kept in (0, carried):
        method._generator._carried = kept
        windows = recorded_windows(method, store.speech(store.split("test")[0]))
        gaps[kept] = float((windows[0][slots - carried : slots] - windows[1][:carried]).square().mean())
    assert gaps[carried] < 0.8 * gaps[0]


def recorded_windows(method, speech: Speech) -> list:
    """Latents (T, L) of every window of a speech, as they are handed to the decoder."""
    generator, seen = method._generator, []
    decode = generator._decode
    generator._decode = lambda latents: (seen.append(latents[0]), decode(latents))[1]
    method.generate([speech], seed=0)
    return seen


def test_retrieving_a_window_into_itself_brings_its_gesture_back(small, store, generate):
    """The speech of a training clip under another name finds that clip: around the connective the motion comes closer
    to the recorded one (as the codec renders it) than without retrieval.
    """
    clip = max((store.clip(name) for name in store.split("train")), key=lambda c: len(c.speech.relations))
    relation = clip.speech.relations[0]
    stranger = replace(clip.speech, clip_id="9_new_0_1_1")
    true = upper(generate("reconstruction", [clip])[0])
    around = slice(int(30 * relation.connective_start_s), int(30 * relation.connective_end_s) + 10)
    gaps = {}
    for name, overrides in (("none", {}), ("discourse", RAG)):
        motions = [small.load("rag_gesture", **overrides).generate([stranger], seed=seed)[0] for seed in range(3)]
        gaps[name] = np.mean([np.square(upper(m) - true)[around].mean() for m in motions])
    assert gaps["discourse"] < 0.7 * gaps["none"]


def test_body_shape_is_that_of_the_speaker(small, store, silent_speech):
    known, stranger = small.load("rag_gesture").generate([silent_speech, replace(silent_speech, speaker=30)], seed=0)
    own = next(c for c in store.split("train") if c.startswith(f"{silent_speech.speaker}_"))
    assert np.array_equal(known.betas, store.motion(own).betas)
    assert not stranger.betas.any()


@pytest.mark.parametrize("overlap", [-5, 0, 7, 60, 75])
def test_an_overlap_that_cannot_be_blended_is_refused(small, overlap):
    """The small windows have 60 frames in chunks of 5."""
    with pytest.raises(InputError, match=rf"overlap = {overlap}; expected a multiple of 5 between 0 and 60"):
        small.config("rag_gesture", overlap=overlap)
