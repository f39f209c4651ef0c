"""When the named words are spoken. The released walk is also held by golden data, see tests/parity."""

import pytest

from gesturebench.common.corpus.clip import Word
from gesturebench.common.llm import SemanticWord, locate


def timed(text: str) -> list[Word]:
    """Word k from second k to k + 0.5."""
    return [Word(word, k, k + 0.5) for k, word in enumerate(text.split())]


def spans(phrases: str, text: str, walk: str) -> list[tuple[str, float, float]]:
    words = [SemanticWord(phrase.strip(), "iconic") for phrase in phrases.split(",")]
    return [(row.word, row.start_s, row.end_s) for row in locate(words, timed(text), walk)]


@pytest.mark.parametrize("walk", ["whole", "released"])
def test_words_are_found_in_the_order_of_the_speech_whatever_their_case_and_punctuation(walk):
    assert spans("small house, Big", "the BIG one, a small house.", walk) == [("big", 1, 1.5), ("small house", 4, 5.5)]
    assert spans("mountain", "the river", walk) == []
    assert locate([], timed("the river"), walk) == locate([SemanticWord("big", "iconic")], [], walk) == []


def test_a_phrase_is_one_run_of_words_or_whatever_has_one_of_them():
    text = "a house is small and a small house is small"
    assert spans("small house", text, "whole") == [("small house", 6, 7.5)]
    assert spans("small house", text, "released") == [("small house", 1, 1.5)]
    assert spans("small house", "small is a house", "whole") == []
    assert spans("small house", "small is a house", "released") == [("small house", 0, 3.5)]


@pytest.mark.parametrize("walk", ["whole", "released"])
def test_a_spoken_word_serves_one_phrase(walk):
    words = [SemanticWord("me", "deictic"), SemanticWord("me", "iconic")]
    once = locate(words, timed("tell me"), walk)
    assert [(row.kind, row.start_s) for row in once] == [("deictic", 1)]
    assert [row.kind for row in locate(words, timed("me or me"), walk)] == ["deictic", "iconic"]


def test_transcripts_may_cut_words_and_count_punctuation_as_one():
    assert spans("don't, well-known", "we do n't , a well - known tale", "whole") == [
        ("don't", 1, 2.5), ("well-known", 5, 7.5),
    ]  # fmt: skip
    assert spans("don't", "we don't", "released") == [("dont", 1, 1.5)]
    assert spans("?!, big", "big", "released") == spans("?!, big", "big", "whole") == [("big", 0, 0.5)]
