"""Cuts of a clip: frames, the sound that belongs to them, and annotations in the cut's own time."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, GestureLabel, Relation, Speech, TruthEvent, Word
from gesturebench.common.errors import InputError

from .conftest import smooth_motion

N = 90
"""Frames of the clip: three seconds at 30 fps."""


def ramp_clip(fps: float = 30, frames: int = N, tail: int = 700) -> Clip:
    """Every sample is its own number, so that a cut tells where it was taken."""
    samples = ceil(frames * SAMPLE_RATE / fps)
    sound = np.arange(samples + tail, dtype=np.float32)
    speech = Speech(
        "2_scott_0_1_1",
        sound[:samples],
        2,
        words=(Word("one", 0.1, 0.9), Word("two", 0.9, 1.5), Word("three", 2.0, 2.9)),
        labels=(GestureLabel("01_beat_align", 0.0, 3.0, 0.1, ""),),
        relations=(Relation("but", "Comparison.Contrast", 0.1, 2.9, 0.9, 1.1),),
        oracle=(TruthEvent("t", "two", 0.9, 1.5, 0.5, 1.0, 1.4, 1.6, "both"),),
        transcript=(Word("One,", 0.1, 0.9),),
        tail=sound[samples:],
    )
    return Clip("2_scott_0_1_1", speech, smooth_motion(frames, fps=fps))


@given(st.integers(0, N - 1), st.integers(1, N), st.sampled_from([15, 25, 30, 29.97]))
def test_a_cut_has_its_frames_and_their_sound(start, length, fps):
    clip = ramp_clip(fps)
    stop = min(start + length, N)
    cut = clip.cut(start, stop)
    np.testing.assert_array_equal(cut.motion.poses, clip.motion.poses[start:stop])
    assert cut.speech.n_frames(fps) == cut.motion.n_frames == stop - start
    first, last = (int(sample) for sample in cut.speech.audio[[0, -1]])
    assert -1 < first - start / fps * SAMPLE_RATE <= 1e-6
    assert last + 2.01 >= stop / fps * SAMPLE_RATE
    whole = np.concatenate([cut.speech.audio, cut.speech.tail])
    np.testing.assert_array_equal(whole, np.arange(first, len(clip.speech.audio) + 700))


def test_the_whole_clip_is_its_own_cut():
    clip = ramp_clip()
    cut = clip.cut(0, N)
    for name in ("words", "labels", "relations", "oracle", "transcript"):
        assert getattr(cut.speech, name) == getattr(clip.speech, name)
    np.testing.assert_array_equal(cut.speech.audio, clip.speech.audio)
    np.testing.assert_array_equal(cut.speech.tail, clip.speech.tail)
    assert np.shares_memory(cut.speech.audio, clip.speech.audio)


def test_annotations_are_clipped_and_moved():
    speech = ramp_clip().cut(15, 30).speech
    assert [w.text for w in speech.words] == ["one", "two"]
    times = [(w.start_s, w.end_s) for w in speech.words]
    np.testing.assert_allclose(times, [(0.0, 0.4), (0.4, 0.5)], atol=1e-12)
    assert (speech.labels[0].start_s, speech.labels[0].end_s, speech.labels[0].score) == (0.0, 0.5, 0.1)
    (relation,) = speech.relations
    assert (relation.start_s, relation.end_s) == (0.0, 0.5)
    np.testing.assert_allclose((relation.connective_start_s, relation.connective_end_s), (0.4, 0.5))
    assert speech.oracle == (), "its stroke starts where the cut ends"


def test_a_relation_goes_with_its_connective_and_an_event_with_its_stroke():
    clip = ramp_clip()
    assert clip.cut(60, 90).speech.relations == ()
    assert clip.cut(0, 15).speech.oracle == ()
    (event,) = clip.cut(36, 60).speech.oracle
    np.testing.assert_allclose((event.prep_s, event.stroke_s, event.end_s, event.hold_s), (0, 0, 0.2, 0.4), atol=1e-12)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (6, 5), (0, N + 1)])
def test_cuts_outside_are_refused(start, stop):
    with pytest.raises(InputError, match=f"clip 2_scott_0_1_1: frames {start} to {stop}"):
        ramp_clip().cut(start, stop)


def test_speech_has_no_tail_unless_given():
    speech = Speech("a", np.zeros(10, np.float32), 2)
    assert speech.tail.shape == (0,)
    assert speech.tail.dtype == np.float32
