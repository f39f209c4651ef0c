"""What is cut, what may differ in length, and what predictions are compared with."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Clip, Motion, Speech
from gesturebench.common.corpus.units import MAY_LACK, Cut, Unit, load_scored, matched, referenced
from gesturebench.common.errors import InputError
from gesturebench.common.motion.export import save_motion


def motion(n: int, fps: float = 30.0) -> Motion:
    """Frame t has all angles t / 1000."""
    ramp = np.arange(n, dtype=np.float32)[:, None] / 1000
    return Motion(
        np.repeat(ramp, 165, 1), np.repeat(ramp, 100, 1), np.repeat(ramp, 3, 1), np.ones(300, np.float32), fps
    )


def clip(n: int) -> Clip:
    return Clip("2_scott_0_1_1", Speech("2_scott_0_1_1", np.zeros(n * 1600 // 3 + 1, np.float32), 2), motion(n))


cuts = st.builds(Cut, whole_seconds=st.booleans(), multiple=st.integers(1, 64), window=st.none() | st.integers(1, 400))


@given(cuts, st.integers(0, 3000))
def test_units_are_inside_the_clip_and_follow_each_other(cut, n):
    spans = cut.spans(n)
    assert all(0 <= start < stop <= n for start, stop in spans)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert spans == () or spans[0][0] == 0
    if cut.window is None and spans:
        assert n - spans[0][1] < cut.multiple + 30 * cut.whole_seconds
    if cut.window is not None:
        assert all(stop - start == cut.window for start, stop in spans)


def test_published_cuts():
    assert Cut().spans(1906) == ((0, 1906),)
    assert Cut(whole_seconds=True, multiple=8).spans(1906) == ((0, 1888),)
    assert Cut(window=300).spans(1906)[-1] == (1500, 1800)
    assert [unit.id for unit in Cut(window=64).units("a", 130)] == ["a/0", "a/1"]
    assert Cut().units("a", 10) == (Unit("a", "a", 0, 10),)


@pytest.mark.parametrize("n", [99, 101])
def test_equal_lengths_are_demanded(n):
    with pytest.raises(InputError, match=rf"2_scott_0_1_1: {n} frames; expected 100"):
        matched(Unit("u", "2_scott_0_1_1", 0, 100), motion(n), clip(100), "equal", "captured")


def test_whole_predictions_are_cut_with_the_clip():
    pair = matched(Unit("u/1", "u", 30, 60), motion(100), clip(100), "equal", "captured")
    np.testing.assert_array_equal(pair.prediction.poses, pair.clip.motion.poses)
    assert pair.prediction.poses[0, 0] == np.float32(0.03)


def test_a_window_of_its_own_is_placed_where_it_belongs():
    window = motion(100).cut(30, 60)
    pair = matched(Unit("u/1", "u", 30, 60), window, clip(100), "equal", "captured", first=30)
    np.testing.assert_array_equal(pair.prediction.poses, pair.clip.motion.poses)
    with pytest.raises(InputError, match="29 frames; expected 30 of u/1"):
        matched(Unit("u/1", "u", 30, 60), window.cut(0, 29), clip(100), "equal", "captured", first=30)


@pytest.mark.parametrize(("n", "left"), [(200 - MAY_LACK, 200 - MAY_LACK), (150, 150), (200, 200), (260, 200)])
def test_both_are_cut_to_the_shorter(n, left):
    pair = matched(Unit("u", "u", 0, 200), motion(n), clip(210), "shorter", "captured")
    assert pair.prediction.n_frames == pair.clip.motion.n_frames == left
    assert len(pair.clip.speech.audio) == int(np.ceil(left * 16_000 / 30))


def test_what_lacks_more_than_a_window_is_refused():
    with pytest.raises(InputError, match=f"expected at least {200 - MAY_LACK} of u"):
        matched(Unit("u", "u", 0, 200), motion(200 - MAY_LACK - 1), clip(210), "shorter", "captured")


def test_the_export_of_rag_gesture_halves_the_rate_and_forgets_the_body():
    whole = referenced(clip(60), "raggesture_export").motion
    assert not whole.betas.any()
    assert whole.n_frames == 60
    # half-pixel places of every second frame: (i + 1/2) / 2 - 1/2 coarse frames, that is i - 1/2 of ours
    np.testing.assert_allclose(whole.expressions[1:-2, 0] * 1000, np.arange(1, 58) - 0.5, atol=1e-4)
    assert referenced(clip(60), "captured").motion.poses[7, 0] == np.float32(0.007)


def test_every_window_is_exported_by_itself():
    alone = referenced(clip(120).cut(60, 120), "raggesture_export").motion
    pair = matched(Unit("u/1", "u", 60, 120), motion(120), clip(120), "equal", "raggesture_export")
    np.testing.assert_array_equal(alone.poses, pair.clip.motion.poses)


def test_other_rates_are_named_with_their_file(tmp_path):
    save_motion(tmp_path / "a.npz", motion(10, 24.0))
    with pytest.raises(InputError, match=r"a\.npz: 24 frames per second; expected 30"):
        load_scored(tmp_path / "a.npz")
