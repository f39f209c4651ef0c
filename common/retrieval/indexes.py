"""Finding the best entries of a library: by scoring all of them, or through faiss. Both give the same answer.

`auto` takes faiss, if it is installed, from `LARGE` entries on. Legend as in `hybrid.py`.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from math import exp
from typing import Any, Literal, Protocol

import numpy as np

from gesturebench.common.errors import InputError
from gesturebench.common.retrieval.hybrid import Asked, Library
from gesturebench.common.retrieval.ranking import largest

Kind = Literal["auto", "flat", "faiss"]
Found = tuple[np.ndarray, np.ndarray]
"""Places in a library and their scores, best first; of equals the earlier place."""

LARGE = 20_000
BLOCK = 64
"""Queries that are scored together: features are read from memory once for all of them."""
ROUNDING = 5e-5
"""What float32 may be off in a scalar product of two unit vectors."""
SEVERAL = 4
"""Queries from which on scoring all entries costs less than as many searches."""
FETCHED, MORE = 64, 4
"""Neighbours that are fetched at first, and how many times more when those at hand do not decide."""


class Index(Protocol):
    """Searches a library."""

    def search(self, asked: Asked, keep: int, banned: Sequence[np.ndarray]) -> list[Found]:
        """For each query at most `keep` entries without its `banned` places; fewer where no more are left."""


def index_of(library: Library, kind: Kind = "auto") -> Index:
    if kind == "faiss" or (kind == "auto" and len(library) >= LARGE and find_spec("faiss")):
        return FaissIndex(library)
    return FlatIndex(library)


class FlatIndex:
    """Scores every entry."""

    def __init__(self, library: Library):
        self._library = library

    def search(self, asked: Asked, keep: int, banned: Sequence[np.ndarray]) -> list[Found]:
        found: list[Found] = []
        for first in range(0, len(asked), BLOCK):
            block = asked.rows(slice(first, first + BLOCK))
            for number, scores in enumerate(self._library.scores(block)):
                scores[banned[first + number]] = -np.inf
                found.append(self._library.best(block, number, _contenders(scores, keep), keep))
        return found


def _contenders(scores: np.ndarray, keep: int) -> np.ndarray:
    """Places that may be among the best `keep` when scores are off by rounding."""
    certain = largest(scores, keep)
    if len(certain) < keep:
        return certain
    return np.flatnonzero(scores >= scores[certain].min() - 2 * ROUNDING)


class FaissIndex:
    """Nearest neighbours in meaning by features of 8 bits, fetched until no other entry can have a better score; the
    scores are those of the features themselves. Several queries are scored at once like anywhere else, which is faster.

    Lengths only ever discount: an entry less similar than c scores at most c, or c exp(-lambda) where c is negative. So
    with the last neighbour's c the search is over as soon as `keep` scores are above that bound.
    """

    def __init__(self, library: Library):
        self._library, self._faiss = library, _faiss()
        self._coded: dict[tuple[int, ...], tuple[Any, np.ndarray]] = {}

    def search(self, asked: Asked, keep: int, banned: Sequence[np.ndarray]) -> list[Found]:
        if len(asked) >= SEVERAL:
            return FlatIndex(self._library).search(asked, keep, banned)
        return [self._one(asked.rows(slice(k, k + 1)), keep, banned[k]) for k in range(len(asked))]

    def _one(self, asked: Asked, keep: int, banned: np.ndarray) -> Found:
        parts = tuple(asked.heard())
        query = np.concatenate([asked.features[p] * asked.weights[:, p, None] for p in parts], axis=1)
        index, steps = self._codes(parts)
        error = ROUNDING + float(np.abs(query[0]) @ steps) / 2
        count = min(FETCHED + MORE * keep + len(banned), len(self._library))
        while True:
            near, places = index.search(np.ascontiguousarray(query), count)
            found = self._library.best(asked, 0, np.setdiff1d(places[0], banned), keep)
            decided = len(found[0]) == keep and found[1][-1] > self._bound(near[0, -1] + error)
            if decided or count == len(self._library):
                return found
            count = min(MORE * count, len(self._library))

    def _bound(self, similarity: float) -> float:
        """The best score of what is at most as similar as this."""
        return similarity if similarity > 0 else similarity * exp(-self._library.length_weight)

    def _codes(self, parts: tuple[int, ...]) -> tuple[Any, np.ndarray]:
        """The features of these parts side by side as numbers of 8 bits, and the step of each between two numbers."""
        if parts not in self._coded:
            rows = np.concatenate([self._library.features[part] for part in parts], axis=1)
            scalar = self._faiss.ScalarQuantizer.QT_8bit
            index = self._faiss.IndexScalarQuantizer(rows.shape[1], scalar, self._faiss.METRIC_INNER_PRODUCT)
            index.train(rows)
            index.add(rows)
            _, ranges = self._faiss.vector_to_array(index.sq.trained).reshape(2, -1)
            self._coded[parts] = index, ranges / 255
        return self._coded[parts]


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            f"the index faiss needs the package faiss ({error})",
            expected="the extra `retrieval`",
            remedy="pip install 'gesturebench[retrieval]', or set retrieval.index=flat, which finds the same",
        ) from error
    return faiss
