"""Annotations per frame: both ends of an interval count, the first interval wins, gaps are silence."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.clip import GestureLabel, Word
from gesturebench.common.corpus.vocabulary import PAD, UNKNOWN, Vocabulary
from gesturebench.common.features.frames import first_interval, repeated, semantic_scores, word_indices

VOCABULARY = Vocabulary({"one": 4, "two": 5})
TIMES = st.integers(0, 40).map(lambda k: k / 20)
SPANS = st.lists(st.tuples(TIMES, TIMES).map(lambda pair: (min(pair), max(pair))), max_size=8)


def label(start_s: float, end_s: float, score: float) -> GestureLabel:
    return GestureLabel("05_iconic_l", start_s, end_s, score, "")


@given(SPANS, st.sampled_from([10.0, 15.0, 30.0]))
def test_first_interval_is_the_definition(spans, fps):
    expected = [next((i for i, (a, b) in enumerate(spans) if a <= k / fps <= b), -1) for k in range(50)]
    assert first_interval(spans, 50, fps).tolist() == expected


def test_first_label_wins_and_gaps_are_zero():
    scores = semantic_scores([label(0.2, 0.4, 0.5), label(0.3, 0.6, 0.9), label(0.8, 0.8, 0.1)], 10, fps=10.0)
    np.testing.assert_array_equal(scores, np.float32([0, 0, 0.5, 0.5, 0.5, 0.9, 0.9, 0, 0.1, 0]))
    assert scores.dtype == np.float32


def test_no_labels():
    np.testing.assert_array_equal(semantic_scores((), 3), np.zeros(3, np.float32))
    assert semantic_scores((), 0).shape == (0,)


def test_a_boundary_belongs_to_the_earlier_word():
    indices = word_indices([Word("one", 0.0, 0.2), Word("two", 0.2, 0.4)], VOCABULARY, 6, fps=10.0)
    assert indices.tolist() == [4, 4, 4, 5, 5, UNKNOWN]
    assert indices.dtype == np.int32


def test_silence_owns_its_boundaries_listed_or_not():
    listed = [Word("", 0, 0.1), Word("one", 0.1, 0.2), Word("", 0.2, 0.4), Word("two", 0.4, 0.6), Word("", 0.6, 1.0)]
    dropped = [word for word in listed if word.text]
    expected = [UNKNOWN, UNKNOWN, 4, UNKNOWN, UNKNOWN, 5, 5, UNKNOWN, UNKNOWN]
    assert word_indices(listed, VOCABULARY, 9, fps=10.0).tolist() == expected
    assert word_indices(dropped, VOCABULARY, 9, fps=10.0).tolist() == expected


def test_a_blank_mark_is_padding():
    assert word_indices([Word(" ", 0.0, 0.2)], VOCABULARY, 4, fps=10.0).tolist() == [PAD, PAD, PAD, UNKNOWN]


def test_a_vocabulary_may_list_silence():
    indices = word_indices([Word("one", 0.1, 0.2)], Vocabulary({"": 9, "one": 4}), 3, fps=10.0)
    assert indices.tolist() == [9, 9, 4]


def test_no_words():
    assert word_indices((), VOCABULARY, 2).tolist() == [UNKNOWN, UNKNOWN]


def test_repeated():
    assert repeated(7, 3).tolist() == [[7], [7], [7]]
