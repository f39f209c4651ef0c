"""Windows of the published loaders: counts and places of the sheets, and what must hold for any rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.cutting import WINDOWS, Cut, Cutting, cuts
from gesturebench.common.errors import InputError

SECOND = 16_000
LENGTHS = st.tuples(st.integers(0, 700), st.integers(0, 25 * SECOND))
FITTING = st.builds(
    Cutting,
    length=st.integers(1, 200),
    stride=st.integers(1, 60),
    fps=st.sampled_from([15, 30]),
    clean_first_s=st.integers(0, 2),
    clean_final_s=st.integers(0, 2),
    end=st.sampled_from(["all", "whole_seconds"]),
    last=st.sampled_from(["kept", "dropped"]),
)


def places(rule: Cutting, n_frames: int, n_samples: int) -> list[tuple[int, int]]:
    return [(cut.start, cut.stop) for cut in cuts(rule, n_frames, n_samples)]


@given(FITTING, LENGTHS)
def test_windows_lie_inside_and_follow_the_stride(rule, lengths):
    found = cuts(rule, *lengths)
    for index, cut in enumerate(found):
        assert cut.stop - cut.start == rule.length
        assert cut.start == rule.clean_first_s * rule.fps + index * rule.stride
        assert cut.stop <= lengths[0]
        assert 0 <= cut.first_sample <= cut.start * SECOND / rule.fps < cut.first_sample + 1
        assert cut.last_sample <= lengths[1]
    assert len({cut.last_sample - cut.first_sample for cut in found}) <= 1


@given(st.integers(1, 700), st.integers(1, 200), st.integers(1, 60))
def test_the_sheet_counts_windows(seconds, length, stride):
    """count = floor((F - L) / S) + 1 with F = 30 * whole seconds."""
    frames = 30 * (seconds % 20 + 1)
    found = places(Cutting(length=length, stride=stride), frames + 17, (frames // 30) * SECOND + 5000)
    assert len(found) == max(0, (frames - length) // stride + 1 if frames >= length else 0)


def test_emage_audio_places():
    first, second, third = cuts(WINDOWS["emage"], 105 + 20, 5 * SECOND)[:3]
    assert first == Cut(0, 64, 0, 34_133)
    assert second == Cut(20, 84, 10_666, 10_666 + 34_133)
    assert third.first_sample == 40 * SECOND // 30


def test_rag_gesture_windows_have_ten_seconds():
    found = cuts(WINDOWS["rag_gesture"], 15 * 20 + 7, 20 * SECOND + 3000)
    assert len(found) == (300 - 150) // 5 + 1
    assert {cut.last_sample - cut.first_sample for cut in found} == {10 * SECOND}
    assert places(WINDOWS["rag_gesture_test"], 15 * 29, 29 * SECOND) == [(0, 150), (150, 300)]


@pytest.mark.parametrize(("n_frames", "n_samples", "stop"), [(171, 88_000, 150), (150, 79_999, 120), (29, 99_999, 0)])
def test_released_tests_see_whole_seconds_of_the_shorter(n_frames, n_samples, stop):
    assert places(WINDOWS["emage_test"], n_frames, n_samples) == ([(0, stop)] if stop else [])


def test_whole_clips_lose_nothing():
    assert cuts(WINDOWS["whole"], 171, 91_200) == [Cut(0, 171, 0, 91_200)]
    assert places(WINDOWS["whole"], 171, 88_000) == [(0, 165)]


def test_the_newer_list_drops_a_window_that_fits_exactly():
    rule = WINDOWS["emage_audio"]
    assert places(rule, 104, 0) == [(0, 64), (20, 84)]
    assert places(rule, 105, 0) == [(0, 64), (20, 84), (40, 104)]
    assert places(rule.updated({"last": "kept"}), 104, 0) == [(0, 64), (20, 84), (40, 104)]


def test_533_samples_per_frame_start_too_early():
    late = cuts(WINDOWS["emage_audio"], 1900, 0)[-1]
    assert late.last_sample - late.first_sample == 34_112
    assert late.start * SECOND // 30 - late.first_sample == late.start // 3


def test_ratios_repeat_the_cutting():
    rule = Cutting(length=40, stride=10, ratios=(0.5, 1, 1.5), clean_first_s=1, clean_final_s=1)
    found = places(rule, 222, 116_000)
    assert [stop - start for start, stop in found] == [20] * 27 + [40] * 12 + [60] * 7
    assert {start for start, _ in found if start < 31} == {30}
    assert max(stop for _, stop in found) <= 180


def test_a_short_ratio_still_moves_on():
    assert len(places(Cutting(length=4, stride=1, ratios=(0.25,)), 30, SECOND)) == 30


@pytest.mark.parametrize("values", [{"fps": 25}, {"stride": 0}, {"length": 0}, {"last": "lost"}, {"ratios": ()}])
def test_rules_are_checked(values):
    with pytest.raises(InputError):
        Cutting.parse(values)
