"""The vectors most like a query, among all or some of the base. Legend: N vectors, J dimensions, n queries."""

from typing import Any, Literal, Protocol

import numpy as np

from gesturebench.common.errors import InputError

Found = tuple[np.ndarray, np.ndarray]
"""Ids and similarities, best first; of equals the smaller id."""


class Index(Protocol):
    def search(self, queries_nJ: np.ndarray, keep: int, banned: np.ndarray) -> list[Found]:
        """For each query at most `keep` ids without the `banned` ones."""


def index_of(vectors_NJ: np.ndarray, ids_N: np.ndarray, kind: Literal["flat", "faiss"]) -> Index:
    """An index of unit vectors that are known by rising `ids`."""
    return FaissIndex(vectors_NJ, ids_N) if kind == "faiss" else FlatIndex(vectors_NJ, ids_N)


class FlatIndex:
    """One matrix product: 40 000 vectors of 256 dimensions are 10 million multiplications a query, which is less than a
    search structure costs to maintain."""

    def __init__(self, vectors_NJ: np.ndarray, ids_N: np.ndarray):
        self._vectors, self._ids = np.ascontiguousarray(vectors_NJ, np.float32), ids_N

    def search(self, queries_nJ: np.ndarray, keep: int, banned: np.ndarray) -> list[Found]:
        scores_nN = np.asarray(queries_nJ, np.float32) @ self._vectors.T
        scores_nN[:, _places(self._ids, banned)] = -np.inf
        return [best(self._ids, scores, keep) for scores in scores_nN]


class FaissIndex:
    """Exhaustive search by faiss; as many more neighbours are fetched as may be banned."""

    def __init__(self, vectors_NJ: np.ndarray, ids_N: np.ndarray):
        self._index, self._ids = _faiss().IndexFlatIP(vectors_NJ.shape[1]), ids_N
        self._index.add(np.ascontiguousarray(vectors_NJ, np.float32))

    def search(self, queries_nJ: np.ndarray, keep: int, banned: np.ndarray) -> list[Found]:
        count = min(keep + len(_places(self._ids, banned)), len(self._ids))
        if not count:
            return [(self._ids[:0], np.zeros(0, np.float32))] * len(queries_nJ)
        scores, places = self._index.search(np.ascontiguousarray(queries_nJ, np.float32), count)
        scores[np.isin(self._ids[places], banned)] = -np.inf
        return [best(self._ids[row], values, keep) for row, values in zip(places, scores)]


def _places(rising: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where the wanted ids stand, of those that are there."""
    places = np.searchsorted(rising, wanted)
    places = places[places < len(rising)]
    return places[np.isin(rising[places], wanted)]


def best(ids: np.ndarray, scores: np.ndarray, keep: int) -> Found:
    """
    >>> ids, scores = best(np.array([4, 7, 9]), np.array([0.5, -np.inf, 0.5]), 2)
    >>> ids.tolist(), scores.tolist()
    ([4, 9], [0.5, 0.5])
    """
    if len(scores) > keep:
        worst = np.partition(scores, len(scores) - keep)[len(scores) - keep]
        contenders = np.flatnonzero((scores >= worst) & (scores > -np.inf))
    else:
        contenders = np.flatnonzero(scores > -np.inf)
    order = np.lexsort((ids[contenders], -scores[contenders]))[:keep]
    return ids[contenders[order]], scores[contenders[order]]


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            f"the index faiss needs the package faiss ({error})",
            expected="the extra `retrieval`",
            remedy="pip install 'gesturebench[retrieval]', or set retrieval.search.index=flat, which finds the same",
        ) from error
    return faiss
