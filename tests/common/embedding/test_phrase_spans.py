"""Units: phrases without overlap, neither too short nor too long."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Word
from gesturebench.common.embedding.config import UnitConfig
from gesturebench.common.embedding.units import RATE, phrase_spans

CONFIG = UnitConfig()


def said(*times: tuple[float, float]) -> list[Word]:
    return [Word("word", start, end) for start, end in times]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 3)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_units_follow_each_other_and_have_the_length_of_units(steps):
    words, now = [], 0.0
    for pause, length in steps:
        words.append(Word("word", now + pause, now + pause + length))
        now += pause + length
    n = int(now * RATE) + 1
    spans = phrase_spans(words, n, CONFIG)
    assert all(a[1] <= b[0] + 1 for a, b in pairwise(spans))  # words that touch share a frame at most
    for start, stop in spans:
        assert 0 <= start < stop <= n
        assert 60 <= stop - start <= 301


def test_silence_and_lone_words_are_no_units():
    assert phrase_spans([], 300, CONFIG) == []
    assert phrase_spans(said((1.0, 1.4), (8.0, 8.5)), 300, CONFIG) == []
    assert phrase_spans(said((0.0, 12.0)), 400, CONFIG) == []


def test_a_short_pause_or_a_pause_after_too_little_joins():
    assert phrase_spans(said((0.0, 1.0), (1.2, 2.4), (2.5, 3.0)), 300, CONFIG) == [(0, 90)]
    assert phrase_spans(said((0.0, 1.0), (1.5, 2.5), (3.0, 5.5)), 300, CONFIG) == [(0, 75), (90, 165)]


def test_speech_without_pauses_is_cut_before_it_is_too_long():
    words = said(*((k, k + 1) for k in range(25)))
    assert phrase_spans(words, 750, CONFIG) == [(0, 300), (300, 600), (600, 750)]


def test_words_need_not_be_in_order_and_what_has_no_motion_is_left_out():
    assert phrase_spans(said((1.0, 2.4), (0.0, 1.0)), 70, CONFIG) == [(0, 70)]
    assert phrase_spans(said((0.0, 1.0), (1.0, 2.4)), 50, CONFIG) == []


@pytest.mark.parametrize("setting", ["gap_s", "shortest_s", "longest_s"])
def test_lengths_are_positive(setting):
    from gesturebench.common.errors import InputError

    with pytest.raises(InputError, match=setting):
        UnitConfig.parse({setting: 0})
