"""Hybrid retrieval over as many phrases as 60 hours of recordings have, against the released walk.

The slow side scores all entries by cosine and length and sorts them all, query by query, as the released code does; the
two sides must find the same. `clip` asks with the phrases of a minute of speech at once, as generation does, `single`
with one; `speaker` looks at the entries of one of 25 speakers, the default. Features are random, the hardest case for
an index: nothing is near to anything.
"""

from importlib.util import find_spec

import numpy as np
import pytest

from gesturebench.common.retrieval.hybrid import Asked, Library
from gesturebench.common.retrieval.indexes import index_of

ENTRIES, SPEAKERS, QUERIES, KEEP, LAMBDA = 40_000, 25, 16, 2, 0.1
FEWEST, LONGEST = 8, 90
"""Frames of a phrase."""


@pytest.fixture(scope="module", params=[64, 512], ids=["hashed words", "sentence encoder"])
def corpus(request) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    text = rng.standard_normal((ENTRIES, request.param), dtype=np.float32)
    lengths = rng.integers(FEWEST, LONGEST, ENTRIES)
    queries = rng.standard_normal((QUERIES, request.param), dtype=np.float32)
    return text, lengths, queries, rng.integers(FEWEST, LONGEST, QUERIES)


def released(text: np.ndarray, lengths: np.ndarray, query: np.ndarray, length: int) -> list[int]:
    """All scores of one query, all of them sorted."""
    cosine = text @ query / np.maximum(np.linalg.norm(text, axis=1) * np.linalg.norm(query), 1e-8)
    gap = np.abs(lengths - length) / np.maximum(lengths, length)
    return np.argsort(-cosine * np.exp(-LAMBDA * gap), kind="stable")[:KEEP].tolist()


@pytest.mark.parametrize("kind", ["flat", "faiss"])
@pytest.mark.parametrize("asking", ["clip", "single", "speaker"])
def test_queries(kind, asking, corpus, versus, benchmark):
    if kind == "faiss" and not find_spec("faiss"):
        pytest.skip("faiss is not installed")
    text, lengths, queries, asked_lengths = corpus
    if asking == "speaker":
        text, lengths = text[::SPEAKERS], lengths[::SPEAKERS]
    if asking == "single":
        queries, asked_lengths = queries[:1], asked_lengths[:1]
    index = index_of(Library([text], lengths, LAMBDA), kind)
    asked = Asked.of([queries], np.ones((len(queries), 1)), asked_lengths)
    banned = [np.zeros(0, np.int64)] * len(queries)

    def indexed() -> list[list[int]]:
        return [places.tolist() for places, _ in index.search(asked, KEEP, banned)]

    def walk() -> list[list[int]]:
        return [released(text, lengths, query, length) for query, length in zip(queries, asked_lengths)]

    assert indexed() == walk()
    versus(indexed, walk, rounds=5)
    benchmark.extra_info |= {"entries": len(text), "fast_ms_per_query": benchmark.extra_info["fast_ms"] / len(queries)}
