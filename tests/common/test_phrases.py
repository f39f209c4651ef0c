"""Speech phrases: no word is lost, none is longer than it may be, short ones join whom they can."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import Word
from gesturebench.common.retrieval.function_words import FUNCTION_WORDS, has_content
from gesturebench.common.retrieval.phrase_config import PhraseConfig
from gesturebench.common.retrieval.phrases import Phrase, in_window, phrases_of, spans

RULE = PhraseConfig()


def said(*times: tuple[float, float]) -> list[Word]:
    return [Word(f"w{k}", *time) for k, time in enumerate(times)]


def numbers(words: list[Word], rule: PhraseConfig = RULE) -> list[list[int]]:
    return [[int(word.text[1:]) for word in phrase.words] for phrase in phrases_of(words, rule)]


def test_a_pause_of_the_gap_ends_a_phrase():
    assert numbers(said((0.0, 1.0), (1.2, 2.4), (2.7, 4.0))) == [[0, 1], [2]]


def test_a_long_run_is_halved_at_the_end_of_a_word():
    words = said(*((k * 1.0, k * 1.0 + 1.0) for k in range(14)))
    assert numbers(words) == [[0, 1, 2], [3, 4, 5, 6], [7, 8, 9], [10, 11, 12, 13]]
    assert numbers(said((0.0, 9.0))) == [[0]], "one word cannot be cut"


def test_a_short_phrase_joins_the_nearer_neighbour():
    assert numbers(said((0.0, 2.0), (3.0, 3.4), (3.8, 6.0))) == [[0], [1, 2]]
    assert numbers(said((0.0, 2.0), (2.4, 2.8), (3.8, 6.0))) == [[0, 1], [2]]
    assert numbers(said((0.0, 2.0), (2.5, 2.75), (3.25, 5.0))) == [[0, 1], [2]], "the earlier of equally near ones"


def test_it_stays_alone_where_both_would_become_too_long():
    assert numbers(said((0.0, 5.5), (6.0, 6.5), (7.0, 12.5))) == [[0], [1], [2]]
    assert numbers(said((0.0, 0.4))) == [[0]]


def test_nothing_said_and_blank_words():
    assert phrases_of([]) == []
    assert phrases_of([Word(" ", 0.0, 1.0), Word("", 1.0, 2.0)]) == []


WORDS = st.lists(
    st.tuples(st.floats(0.0, 1.5), st.floats(0.05, 2.5)), min_size=1, max_size=40
)  # pause before, length of a word


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_properties(steps):
    words, clock = [], 0.0
    for number, (pause, length) in enumerate(steps):
        words.append(Word(f"w{number}", clock + pause, clock + pause + length))
        clock += pause + length
    found = phrases_of(words[::-1])
    assert [word for phrase in found for word in phrase.words] == words
    assert all(phrase.duration_s <= RULE.longest_s or len(phrase.words) == 1 for phrase in found)
    for first, second in itertools.pairwise(found):
        short = min(first.duration_s, second.duration_s) < RULE.shortest_s
        assert not short or second.end_s - first.start_s > RULE.longest_s


@pytest.mark.parametrize("start", [0.0, 0.5, 0.49])
def test_frames_hold_the_phrase(start):
    phrase = Phrase((Word("a", start, start + 1.03),))
    first, count = phrase.frames(15)
    assert first / 15 <= start + 1e-6
    assert (first + count) / 15 >= phrase.end_s - 1e-6
    assert count <= 17
    assert Phrase((Word("a", 1.0, 1.0),)).frames(15) == (15, 1)


def test_the_phrase_at_the_centre_asks_first():
    times = spans(phrases_of(said((0.0, 2.0), (4.0, 6.5), (7.0, 9.0), (9.5, 14.0))))
    assert in_window(times, 0.0, 10.0) == [1, 2, 0, 3]
    assert in_window(times, 2.5, 3.5) == [], "a window in a pause"
    assert in_window(spans([]), 0.0, 10.0) == []
    equal = np.array([[0.0, 4.0], [6.0, 7.0]])
    assert in_window(equal, 0.0, 10.0) == [0, 1], "of equally near ones that of which the window holds more"


def test_content():
    assert not has_content(["And", "so,", "I", "would", "HAVE", "to", "...", "?"])
    assert has_content(["and", "the", "harbour"])
    assert not has_content([])
    assert not has_content(["-", "?"])
    assert all(word == word.lower().strip(" .,") for word in FUNCTION_WORDS)
