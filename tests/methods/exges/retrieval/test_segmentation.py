"""Segments of speech: the cheapest cuts, whole words, no overlap, and what may be an entry."""

from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Word
from gesturebench.common.errors import InputError
from gesturebench.methods.exges.retrieval.config import BaseConfig, SegmentConfig
from gesturebench.methods.exges.retrieval.segmentation import Segment, is_entry, segments_of

RULE = SegmentConfig()


def said(*spans_ms: tuple[int, int]) -> list[Word]:
    return [Word(f"w{k}", start / 1000, end / 1000) for k, (start, end) in enumerate(spans_ms)]


def steady(count: int, word_ms: int, gap_ms: int = 0, start_ms: int = 0) -> list[Word]:
    starts = [start_ms + k * (word_ms + gap_ms) for k in range(count)]
    return said(*((start, start + word_ms) for start in starts))


spoken = st.lists(st.tuples(st.integers(0, 700), st.integers(20, 900)), max_size=9).map(
    lambda pairs: said(*_placed(pairs))
)
"""Pauses and words of some milliseconds."""


def _placed(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    now, spans = 0, []
    for pause, length in pairs:
        spans.append((now + pause, now + pause + length))
        now = spans[-1][1]
    return spans


def cost_of(parts: list[list[Word]], after: list[int]) -> int | None:
    """The sheet's cost in thousandths, from whole milliseconds; None where a segment of several words is too long."""
    total = 0
    for part, pause in zip(parts, after, strict=True):
        d, n = round(1000 * part[-1].end_s) - round(1000 * part[0].start_s), len(part)
        if d > 2000 and n > 1:
            return None
        total += 10 * max(0, d - 2000) + 10 * max(0, 1000 - d) + 1000 * (max(0, 4 - n) + max(0, n - 8))
        total -= 500 * (pause >= 150)
    return total


def cheapest(run: list[Word]) -> list[list[Word]]:
    """Every way to cut a run, tried."""
    best = None
    for count in range(len(run)):
        for cuts in combinations(range(1, len(run)), count):
            parts = [run[i:j] for i, j in zip((0, *cuts), (*cuts, len(run)))]
            after = [round(1000 * run[c].start_s) - round(1000 * run[c - 1].end_s) for c in cuts]
            cost = cost_of(parts, [*after, 10_000])
            if cost is not None and (best is None or (cost, len(parts), cuts) < best[0]):
                best = (cost, len(parts), cuts), parts
    return best[1]


@settings(max_examples=60, deadline=None)
@given(spoken)
def test_cuts_are_the_cheapest_of_all(words):
    runs: list[list[Word]] = []
    for word in words:
        if runs and round(1000 * word.start_s) - round(1000 * runs[-1][-1].end_s) < 500:
            runs[-1].append(word)
        else:
            runs.append([word])
    expected = [tuple(part) for run in runs for part in cheapest(run)]
    assert [segment.words for segment in segments_of(words, 30, RULE)] == expected


@settings(max_examples=60, deadline=None)
@given(spoken, st.floats(0, 2))
@example([Word("w0", 0.0, 0.175), Word("w1", 0.814, 0.834)], 0.0)
def test_segments_hold_every_word_once_and_never_meet(words, rest_s):
    duration_s = (words[-1].end_s if words else 0) + rest_s
    segments = segments_of(words, duration_s, RULE)
    assert [word for segment in segments for word in segment.words] == words
    bounds = [moment for segment in segments for moment in (segment.start_s, segment.end_s)]
    assert bounds == sorted(bounds), "in order, and none begins before the one before it ended"
    assert not bounds or (bounds[0] >= 0 and bounds[-1] <= duration_s + 1e-9)
    for segment in segments:
        assert segment.start_s <= segment.words[0].start_s
        assert segment.words[-1].end_s <= segment.end_s + 1e-9
        assert segment.flag != "ok" or (4 <= len(segment.words) <= 8 and 1 - 1e-6 <= _length(segment) <= 2 + 1e-6)


def _length(segment: Segment) -> float:
    return segment.end_s - segment.start_s


def test_fast_speech_is_cut_into_four_to_eight_words():
    segments = segments_of(steady(16, 200, 20), 10, RULE)
    assert all(segment.flag == "ok" for segment in segments)
    assert sum(len(segment.words) for segment in segments) == 16


def test_a_pause_draws_the_cut():
    words = steady(4, 300) + steady(4, 300, start_ms=1400)
    assert [len(segment.words) for segment in segments_of(words, 5, RULE)] == [4, 4]


def test_a_long_silence_always_cuts():
    words = steady(2, 300) + steady(2, 300, start_ms=1100)
    assert [len(segment.words) for segment in segments_of(words, 5, RULE)] == [2, 2]


def test_a_short_run_grows_into_the_silence_on_both_sides_equally():
    (segment,) = segments_of(said((2000, 2200), (2200, 2500)), 10, RULE)
    assert (segment.start_s, segment.end_s) == pytest.approx((1.75, 2.75))
    assert segment.flag == "few_words"
    assert is_entry(segment, RULE)


def test_where_one_side_has_no_silence_the_other_gives_all():
    (segment,) = segments_of(said((0, 300), (300, 600)), 10, RULE)
    assert (segment.start_s, segment.end_s) == pytest.approx((0, 1.0))
    (segment,) = segments_of(said((9500, 9700), (9700, 10000)), 10, RULE)
    assert (segment.start_s, segment.end_s) == pytest.approx((9.0, 10.0))


def test_what_stays_short_asks_but_is_no_entry():
    (segment,) = segments_of(said((100, 300), (300, 600)), 0.7, RULE)
    assert segment.flag == "short"
    assert (segment.start_s, segment.end_s) == pytest.approx((0, 0.7))
    assert not is_entry(segment, RULE)


@pytest.mark.parametrize(("end_ms", "kept"), [(2500, True), (3000, True), (3200, False)])
def test_a_single_long_word_is_kept_up_to_three_seconds(end_ms, kept):
    (segment,) = segments_of(said((0, end_ms)), 5, RULE)
    assert segment.flag == "long"
    assert is_entry(segment, RULE) is kept


def test_a_single_word_is_no_entry():
    (segment,) = segments_of(said((0, 1500)), 5, RULE)
    assert segment.flag == "few_words"
    assert not is_entry(segment, RULE)


def test_many_words_are_an_entry():
    (segment,) = segments_of(steady(9, 110), 5, RULE)
    assert len(segment.words) == 9
    assert segment.flag == "many_words"
    assert is_entry(segment, RULE)


def test_nothing_said_is_no_segment():
    assert segments_of([], 5, RULE) == []


def test_frames_hold_the_segment_and_end_with_the_motion():
    segment = Segment(1.01, 2.02, (), "ok")
    assert segment.frames(100) == (30, 61)
    assert segment.frames(50) == (30, 50)
    assert segment.frames(10) == (10, 10)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"segments": {"shortest_s": 2.5}}, "shortest_s < longest_s"),
        ({"segments": {"fewest": 9}}, r"fewest \(9\) not above most"),
        ({"words": {"source": "whisper"}}, "words.whisper names a checkpoint"),
        ({"words": {"source": "ears"}}, "textgrid"),
    ],
)
def test_wrong_rules_are_refused_in_one_line(wrong, line):
    with pytest.raises(InputError, match=line):
        BaseConfig.parse(wrong, "base")
