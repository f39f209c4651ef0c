"""ReMoDiffuse's retrieval: scores, the entries that are found in evaluation and training, and given rankings."""

from collections.abc import Iterator

import numpy as np

from gesturebench.common.retrieval.hybrid import Asked, Library
from gesturebench.common.retrieval.indexes import FlatIndex
from gesturebench.methods.remodiffuse.entries import groups
from gesturebench.methods.remodiffuse.ranker import unseen
from tests.parity.frame import Check, Golden, case, near, same


@case("remodiffuse/retrieval.npz")
def hybrid_retrieval(golden: Golden) -> Iterator[Check]:
    inputs, k = golden.under("in/"), golden.config()["num_retrieval"]
    queries = inputs["query_features"]
    asked = Asked.of([queries], np.ones((len(queries), 1)), inputs["query_lengths"])
    for name, stored in golden.under("out/scores_l").items():
        library = Library([inputs["text_features"]], inputs["m_lengths"], float(name))
        yield near(f"scores_l{name}", library.scores(asked), stored)
        yield same(f"eval_top_l{name}", tops(library, asked, k), golden[f"out/eval_top_l{name}"])
        if f"out/train_top_l{name}" in golden:
            as_long = groups(inputs["m_lengths"].tolist())
            banned = [as_long.get(length, np.zeros(0, int)) for length in inputs["query_lengths"].tolist()]
            yield same(f"train_top_l{name}", tops(library, asked, k, banned), golden[f"out/train_top_l{name}"])
    yield from given_rankings(golden, k)


def tops(library: Library, asked: Asked, k: int, banned: list[np.ndarray] | None = None) -> np.ndarray:
    """(Q, k)."""
    found = FlatIndex(library).search(asked, k, banned or [np.zeros(0, int)] * len(asked))
    return np.stack([places for places, _ in found])


def given_rankings(golden: Golden, k: int) -> Iterator[Check]:
    """In training an entry does not find itself, and the pool is larger than what is returned."""
    pool = golden.config()["topk_table"]
    own = [unseen(row, [number], pool) for number, row in enumerate(golden["in/train_indexes"].tolist())]
    yield same("train_table_pool", own, golden["out/train_table_pool"])
    yield same("train_table_noshuffle", [row[:k] for row in own], golden["out/train_table_noshuffle"])
    test = [unseen(row, [], pool)[:k] for row in golden["in/test_indexes"].tolist()]
    yield same("test_table", test, golden["out/test_table"])
