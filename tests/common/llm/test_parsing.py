"""Reading replies. The released reading is also held by golden data, see tests/parity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.llm.parsing import parse

PAIR = (("big", "iconic"), ("over there", "deictic"))


@pytest.mark.parametrize(
    "reply",
    [
        "[('big', 'iconic'), ('over there', 'deictic')]",
        'Here you are:\n```python\n[("big", "iconic"), ("over there", "deictic")]\n```',
        "1. **big**, iconic\n2. **over there**, deictic",
        "- big: Iconic\n- over there: Deictic gesture",
        "big - iconic\nover there -> deictic",
        "big (iconic) and over there (deictic)",
        '[{"word": "big", "type": "iconic"}, {"word": "over there", "type": "deictic"}]',
        "[(‘big’, ‘iconic’), (“over there”, “DEICTIC”)]",
        "<think>They said huge, iconic, no ...</think>[('big', 'iconic'), ('over there', 'deictic')]",
        "[('big', 'iconic'), ('so', 'beat'), ('big', 'metaphoric'), ('over there', 'deictic'), ('you', 'deictic')]",
    ],
)
def test_the_tolerant_reading_understands_what_models_write(reply):
    assert parse(reply).words == PAIR


def test_the_released_reading_keeps_its_quirks():
    assert parse("('big', 'Iconic'), (I, deictic), there - deictic", "released").words == ()
    assert parse("('I', 'deictic')", "released").words == (("I'", "deictic"),)  # two characters, one is the quote
    doubled = parse("[('big', 'iconic'), ('big', 'metaphoric'), ('on', 'eat'), ('so', 'mmetaphoric')]", "released")
    assert doubled.words == (("big", "iconic"), ("big", "metaphoric"), ("so", "metaphoric"))
    assert len(parse("aa, iconic; bb, iconic; cc, iconic", "released", limit=2).words) == 3


@pytest.mark.parametrize("reading", ["tolerant", "released"])
@pytest.mark.parametrize(
    ("reply", "readable"),
    [
        ("[]", True), ("```python\n[ ]\n```", True), ("None.", True), ("[('and', 'beat')]", True),
        ("", False), ("I cannot help with that.", False), ("<think>is it [] or", False), ("big and over there", False),
    ],
)  # fmt: skip
def test_no_word_is_told_apart_from_no_answer(reply, readable, reading):
    read = parse(reply, reading)
    assert (read.words, read.readable) == ((), readable)


@given(st.text(max_size=200))
def test_no_reply_breaks_a_reading(reply):
    for reading in ("tolerant", "released"):
        for word, kind in parse(reply, reading).words:
            assert word
            assert kind in ("deictic", "iconic", "metaphoric")


WORDS = st.from_regex(r"[a-z][a-z']{0,7}( [a-z]{1,8})?", fullmatch=True).map(str.strip)


@given(st.lists(st.tuples(WORDS, st.sampled_from(["deictic", "iconic", "metaphoric"])), max_size=2))
def test_what_the_prompt_asks_for_is_read_as_it_was_meant(pairs):
    meant = tuple({word.casefold(): (word, kind) for word, kind in reversed(pairs)}.values())
    assert set(parse(repr(pairs)).words) == set(meant)
