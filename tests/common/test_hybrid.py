"""The hybrid score and the indexes: the same as a loop over all entries, whichever finds it."""

from copy import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturebench.common.errors import InputError
from gesturebench.common.retrieval.hybrid import Asked, Library, length_gap
from gesturebench.common.retrieval.indexes import LARGE, FaissIndex, FlatIndex, index_of

NONE = np.zeros(0, np.int64)
KINDS = ["flat", "faiss"]


def plain_scores(features, lengths, weight, queries, shares, asked) -> np.ndarray:
    """(Q, N) float64, entry by entry."""
    scores = np.zeros((len(asked), len(lengths)))
    for q, (length, share) in enumerate(zip(asked, shares)):
        for i, own in enumerate(lengths):
            for rows, query, part in zip(features, queries, share):
                a, b = rows[i].astype(float), query[q].astype(float)
                scale = max(np.linalg.norm(a), 1e-8) * max(np.linalg.norm(b), 1e-8)
                scores[q, i] += part * (a @ b) / scale
            longer = max(own, length)
            scores[q, i] *= np.exp(-weight * (abs(own - length) / longer if longer else 0.0))
    return scores


class Case:
    """Random entries of which some are copies of others, and queries with banned entries."""

    def __init__(self, seed: int, entries: int, weight: float, negative: bool = False):
        rng = np.random.default_rng(seed)
        self.features = [rng.standard_normal((entries, width)).astype(np.float32) for width in (6, 3)]
        if negative:
            self.features = [-np.abs(rows) for rows in self.features]
        self.lengths = rng.integers(0, 20, entries)
        copies = rng.integers(0, entries, entries // 3)
        for rows in (*self.features, self.lengths):
            rows[-len(copies) or entries :] = rows[copies]
        self.queries = [np.abs(rng.standard_normal((4, width))).astype(np.float32) for width in (6, 3)]
        beta = np.array([0.0, 0.3, 1.0, 0.3])
        self.shares, self.asked_lengths = np.stack([1 - beta, beta], 1), rng.integers(0, 20, 4)
        self.banned = [np.unique(rng.integers(0, entries, rng.integers(0, entries + 1))) for _ in range(4)]
        self.weight, self.library = weight, Library(self.features, self.lengths, weight)
        self.asked = Asked.of(self.queries, self.shares, self.asked_lengths)

    def rows(self, k: int) -> "Case":
        """The k-th query alone."""
        alone = copy(self)
        alone.asked, alone.banned = self.asked.rows(slice(k, k + 1)), self.banned[k : k + 1]
        return alone

    def expected(self, keep: int) -> list[list[int]]:
        scores = plain_scores(self.features, self.lengths, self.weight, self.queries, self.shares, self.asked_lengths)
        found = []
        for row, banned in zip(scores.astype(np.float32), self.banned):
            order = sorted(set(range(len(row))) - set(banned.tolist()), key=lambda i: (-row[i], i))
            found.append(order[:keep])
        return found


def agrees(found, expected, case: Case) -> None:
    """The same entries but for ties within float32, and scores of them in falling order."""
    for number, ((places, scores), wanted) in enumerate(zip(found, expected, strict=True)):
        exact = case.library.exact_scores(case.asked, number, np.array(wanted, np.int64))
        assert len(places) == len(wanted)
        assert (np.diff(scores) <= 0).all()
        np.testing.assert_allclose(scores, exact, atol=2e-6)
        same = np.array_equal(places, wanted)
        assert same or np.allclose(case.library.exact_scores(case.asked, number, places), exact, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    entries=st.integers(1, 400),
    keep=st.integers(1, 8),
    weight=st.sampled_from([0.0, 0.1, 3.0]),
    negative=st.booleans(),
)
def test_same_as_a_loop(kind, seed, entries, keep, weight, negative):
    case = Case(seed, entries, weight, negative)
    index, expected = index_of(case.library, kind), case.expected(keep)
    agrees(index.search(case.asked, keep, case.banned), expected, case)
    for k in range(len(case.asked)):
        alone = case.rows(k)
        agrees(index.search(alone.asked, keep, alone.banned), expected[k : k + 1], alone)


def test_scores():
    case = Case(0, 40, 0.5)
    expected = plain_scores(case.features, case.lengths, 0.5, case.queries, case.shares, case.asked_lengths)
    np.testing.assert_allclose(case.library.scores(case.asked), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_entries_come_in_their_order(kind):
    rows = np.tile(np.random.default_rng(0).standard_normal((1, 33)), (300, 1))
    asked = Asked.of([rows[:1]], np.ones((1, 1)), np.array([5]))
    places, scores = index_of(Library([rows], np.full(300, 7), 0.1), kind).search(asked, 4, [np.array([1])])[0]
    assert places.tolist() == [0, 2, 3, 4]
    assert len(set(scores.tolist())) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_than_asked_for_and_nothing_at_all(kind):
    library = Library([np.eye(3)], np.array([4, 4, 4]), 0.1)
    asked = Asked.of([np.eye(3)[:1]], np.ones((1, 1)), np.array([4]))
    index = index_of(library, kind)
    assert index.search(asked, 5, [NONE])[0][0].tolist() == [0, 1, 2]
    assert index.search(asked, 5, [np.array([0, 1])])[0][0].tolist() == [2]
    assert index.search(asked, 5, [np.arange(3)])[0][0].tolist() == []


def test_lengths_discount_and_silence_is_like_nothing():
    library = Library([np.eye(4)[[0, 0, 1]]], np.array([10, 5, 10]), 0.1)
    asked = Asked.of([np.stack([np.eye(4)[0], np.zeros(4)])], np.ones((2, 1)), np.array([10, 10]))
    scores = library.scores(asked)
    np.testing.assert_allclose(scores[0], [1, np.exp(-0.05), 0], rtol=1e-6)
    assert (scores[1] == 0).all()
    assert length_gap(np.array([0.0]), 0.0).tolist() == [0.0]


def test_which_index_is_taken():
    small = Library([np.eye(2)], np.array([1, 1]), 0.1)
    assert isinstance(index_of(small, "auto"), FlatIndex)
    many = Library([np.ones((LARGE, 1))], np.ones(LARGE), 0.1)
    assert isinstance(index_of(many, "auto"), FaissIndex)


def test_without_faiss_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(InputError, match=r"retrieval\.index=flat"):
        index_of(Library([np.eye(2)], np.array([1, 1]), 0.1), "faiss")
