"""Spelling similarity equals the loop over difflib's blocks that it stands for."""

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.retrieval.word_similarity import AUTOJUNK, common_blocks, word_similarity
from tests.methods.rag_gesture.plain_retrieval import similarity

LETTERS = st.text(alphabet="abcd é", max_size=12)


@given(LETTERS, LETTERS)
def test_it_is_the_partial_ratio_of_difflib(a, b):
    assert word_similarity(a, b) == similarity(a, b, "exact")


@given(LETTERS, LETTERS)
def test_blocks_are_those_of_difflib(a, b):
    """Adjacent blocks are one for difflib."""
    spelled = [(i + k, j + k) for i, j, size in common_blocks(a, b) for k in range(size)]
    expected = SequenceMatcher(None, a, b).get_matching_blocks()
    assert spelled == [(i + k, j + k) for i, j, size in expected for k in range(size)]


@pytest.mark.parametrize(("a", "b"), [("e", "ab" * AUTOJUNK + "e"), ("eye", "e" * AUTOJUNK), ("x" * 250, "y" * 300)])
def test_long_texts_follow_difflib_too(a, b):
    """From 200 letters on frequent ones are ignored, so that even a letter inside may count for nothing."""
    assert word_similarity(a, b) == similarity(a, b, "exact")


@given(LETTERS, LETTERS)
def test_it_is_a_share_and_knows_its_ends(a, b):
    assert 0.0 <= word_similarity(a, b) <= 1.0
    assert word_similarity(a, "") == word_similarity("", a) == 0.0
    assert word_similarity(a, a) == float(bool(a))
    if a and b and a in b:
        assert word_similarity(a, b) == 1.0
