"""Which prominence a connective gets."""

import pytest

from gesturebench.common.corpus.clip import ProminentWord
from gesturebench.common.retrieval.prominence import cleaned, prominence_of


def rows(*pairs: tuple[str, float]) -> list[ProminentWord]:
    return [ProminentWord(text, k, k + 1, value, 0.0) for k, (text, value) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("entries", "pairs", "expected"),
    [
        (["but"], [("but", 1.0)], [1.0]),
        (["But"], [("but,", 1.0)], [1.0]),
        (["for example"], [("for", 1.0), ("x", 9.0), ("example", 2.0)], [1.5]),
        (["for example"], [("for", 1.0)], [1.0]),
        (["and", "and"], [("and", 1.0), ("and", 2.0)], [1.0, 2.0]),
        (["so"], [("so", 1.0), ("so", 9.0)], [1.0]),
        (["or"], [("for", 1.0)], [None]),
        (["so"], [], [None]),
        ([], [("so", 1.0)], []),
        (["so"], [("--", 1.0)], [None]),
    ],
    ids=str,
)
def test_prominence_of(entries, pairs, expected):
    assert prominence_of(entries, rows(*pairs)) == expected


def test_a_row_serves_one_entry():
    assert prominence_of(["as a result", "a"], rows(("as", 1.0), ("a", 2.0), ("result", 3.0), ("a", 4.0))) == [2.0, 4.0]


def test_cleaning_is_idempotent():
    for text in ("for example,", "isn't_it?", "été!", ""):
        assert cleaned(cleaned(text)) == cleaned(text)
