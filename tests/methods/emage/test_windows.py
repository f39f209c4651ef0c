"""Windows cover a speech of any length once; what released code leaves out is left out by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.errors import InputError
from gesturebench.methods.emage.windows import heard_samples, planned, samples_of

from .conftest import CONFIG, SEED_FRAMES, WINDOW

STEP = WINDOW - SEED_FRAMES
RELEASED = {"seams": "released", "tail": "released"}


def sized(window: int = WINDOW, seed: int = SEED_FRAMES, **generation):
    return CONFIG.updated({"network": {"window": window, "seed_frames": seed}, "generation": generation})


@given(frames=st.integers(1, 18_000), window=st.integers(9, 64), seed=st.integers(1, 4), data=st.data())
def test_every_frame_is_in_a_window_and_no_window_is_for_nothing(frames, window, seed, data):
    overlap = data.draw(st.integers(seed, window // 2))
    plan = planned(frames, sized(window, seed, overlap=overlap))
    assert (plan.overlap, plan.frames, plan.windows[-1][1]) == (overlap, frames, frames)
    assert [start for start, _ in plan.windows] == [(window - overlap) * k for k in range(len(plan.windows))]
    assert all(stop == start + window for start, stop in plan.windows[:-1])
    start, stop = plan.windows[-1]
    assert stop - start <= window
    assert len(plan.windows) == 1 or stop - start > overlap


@given(frames=st.integers(9, 18_000))
def test_released_windows_share_the_seed_and_where_little_remains_four_to_eight_frames_are_left_out(frames):
    plan, rest = planned(frames, sized(**RELEASED)), (frames - SEED_FRAMES) % STEP
    assert plan.overlap == SEED_FRAMES
    assert [start for start, _ in plan.windows] == [STEP * k for k in range(len(plan.windows))]
    assert frames - plan.frames == (rest + SEED_FRAMES if rest <= SEED_FRAMES else 0)
    assert planned(frames, sized(seams="released")).frames == frames


@pytest.mark.parametrize(("frames", "tail", "least"), [(0, "whole", 1), (0, "released", 9), (8, "released", 9)])
def test_a_speech_too_short_is_refused(frames, tail, least):
    with pytest.raises(InputError, match=f"a speech of {frames} frames; expected {least} or more"):
        planned(frames, sized(tail=tail))


@given(frames=st.integers(1, 18_000), hop=st.sampled_from(("exact", "released")))
def test_a_window_hears_what_belongs_to_it_and_never_past_the_end(frames, hop):
    for start, stop in planned(frames, sized()).windows:
        first, last = heard_samples(start, stop, hop)
        assert last <= -(-frames * SAMPLE_RATE // 30)
        late = (start * SAMPLE_RATE / 30 - first) / SAMPLE_RATE
        assert late == pytest.approx(0 if hop == "exact" else start / 30 / 1600, abs=1 / SAMPLE_RATE)
        assert abs(last - first - samples_of(stop - start)) <= (0 if hop == "exact" else 22)


def test_the_released_hop_is_late_by_a_third_of_a_sample_per_frame():
    ten_minutes = 18_000
    exact, released = (heard_samples(ten_minutes, ten_minutes + 64, hop)[0] for hop in ("exact", "released"))
    assert (exact - released) / SAMPLE_RATE == pytest.approx(0.375)
