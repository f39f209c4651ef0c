"""Ranked lists: scores, ties by text, ties by place; and text similarity by table and by token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.retrieval.ranking import Scored, ranked
from gesturebench.common.retrieval.text import TokenColumns, text_similarity

WORDS = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
TEXTS = st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=8)


def text_of(words: list[int]) -> np.ndarray:
    return WORDS[words] if words else np.zeros((0, 1), np.float32)


def scored(score: list[float]) -> Scored:
    return Scored(np.arange(len(score)), {"a": np.array(score)}, lambda places: 10 * places)


@given(TEXTS, st.lists(st.integers(0, 6), max_size=6))
def test_columns_say_what_two_texts_say(texts, query):
    """Bit by bit: dot products are rounded, so their sums do not depend on the order of additions."""
    columns = TokenColumns.of([text_of(words) for words in texts])
    expected = [text_similarity(text_of(query), text_of(words)) for words in texts]
    everything = np.arange(len(texts))
    assert columns.similarity(text_of(query), everything).tolist() == expected
    assert columns.similarity(text_of(query), everything[::-1]).tolist() == expected[::-1]
    for few in (columns._by_table, columns._by_token):
        if query and any(texts):
            sums = few(text_of(query)[: len(columns.ids)].astype(np.float64), everything)
            assert (sums / np.maximum(np.minimum(len(query), columns.lengths), 1)).tolist() == expected


def test_equal_token_features_are_kept_once():
    columns = TokenColumns.of([text_of([1, 2, 1]), text_of([]), text_of([2, 3])])
    assert columns.table.shape == (4, 5)
    assert columns.ids.tolist() == [[0, 3, 1], [1, 3, 2], [0, 3, 3]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=30), st.integers(1, 12))
def test_the_list_is_that_of_a_stable_sort(windows, keep):
    texts, query = TokenColumns.of([text_of([word]) for _, word in windows]), text_of([0])
    alike = [text_similarity(query, text_of([word])) for _, word in windows]
    matches = ranked(scored([float(s) for s, _ in windows]), query, texts, keep)
    expected = sorted(range(len(windows)), key=lambda k: (-windows[k][0], -alike[k]))[:keep]
    assert [match.entry for match in matches] == expected
    assert [match.row for match in matches] == [10 * k for k in expected]
    assert [(match.score, match.text) for match in matches] == [(windows[k][0], alike[k]) for k in expected]


def test_what_is_banned_is_not_ranked():
    texts = TokenColumns.of([text_of([k]) for k in range(3)])
    assert [m.entry for m in ranked(scored([1.0, 2.0, 3.0]), text_of([0]), texts, 2, banned=[2])] == [1, 0]
    assert ranked(scored([1.0, 2.0, 3.0]), text_of([0]), texts, 2, banned=[0, 1, 2]) == []


@pytest.mark.parametrize("keep", [1, 3])
def test_nothing_scored_nothing_ranked(keep):
    assert ranked(scored([]), text_of([0]), TokenColumns.of([]), keep) == []
