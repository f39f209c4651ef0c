"""The provider without a model: what it chooses, and that it finds the stand-in's gestures better than chance."""

import numpy as np
import pytest

from gesturebench.common.corpus.standin.script import write_script
from gesturebench.common.llm import LLMConfig, ask, semantic_words
from gesturebench.common.llm.rules import GROUPS, chosen, rate


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("We climbed the steep hill and waved", [("climbed", "iconic"), ("steep", "iconic")]),
        ("Maybe it happens again and again", [("maybe", "metaphoric"), ("again", "metaphoric")]),
        ("You told me that he is over there", [("you", "deictic"), ("there", "deictic")]),
        ("the organisation of society", [("organisation", "metaphoric"), ("society", "metaphoric")]),
        ("the train left the station", []),
    ],
)
def test_groups_and_endings(text, words):
    assert chosen(text, 2) == words


def test_the_rarer_word_is_preferred_and_none_named_twice():
    assert chosen("big big tiny", 1) == [("tiny", "iconic")]
    assert chosen("big, Big, BIG", 2) == [("big", "iconic")]


def test_as_many_as_asked_for_and_always_the_same():
    text = "a big round table, a tiny flat stone and a tall tower"
    assert [len(semantic_words(text, LLMConfig(words=n))) for n in (1, 3, 9)] == [1, 3, 5]
    assert len({semantic_words(text, LLMConfig()) for _ in range(3)}) == 1


def test_nothing_is_said_and_nothing_is_found_are_told_apart(tmp_path):
    assert ask(" \n", LLMConfig()).state == "no text"
    assert ask("the train left the station", LLMConfig()).state == "none"
    assert not (tmp_path / "replies").exists()  # rules are cheaper than files


def test_no_word_is_in_two_groups():
    words = [word for group in GROUPS for word in group.words]
    assert len(words) == len(set(words))


def test_most_choices_on_the_standin_are_words_that_know_that_gesture():
    """Of about 22 words, what is said in 10 s; a fifth of all words know a gesture, connectives among them."""
    rng, right, named = np.random.default_rng(1), 0, 0
    for _ in range(60):
        script = [token for token in write_script(8, rng).tokens if token.is_word]
        for start in range(0, len(script) - 22, 22):
            tokens = script[start : start + 22]
            kinds = {t.surface.casefold(): t.tag.split(":")[0] for t in tokens if t.tag}
            found = semantic_words(" ".join(t.surface for t in tokens), LLMConfig())
            named, right = named + len(found), right + sum(kinds.get(word) == kind for word, kind in found)
    assert named > 300
    assert right / named > 0.7


def test_most_words_ask_for_nothing():
    words = ["the", "of", "and", "with", "table", "said", "house", "because", "station", "stations", "bring"]
    assert [word for word in words if rate(word)] == []
