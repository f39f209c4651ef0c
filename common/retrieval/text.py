"""How alike two windows are in their text: token features compared place by place.

Legend: n tokens of the query, M windows asked about, N all windows, L tokens of the longest, V distinct token features,
D their width.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import blake2b

import numpy as np

BLOCK = 256
"""Windows whose tokens are gathered at a time."""
MATRIX_GAIN = 5
"""How many dot products one matrix product makes in the time of a single one."""


def text_similarity(q: np.ndarray, d: np.ndarray) -> float:
    """Mean of the main diagonal of Q D^T: dot products of the first min(n_q, n_d) tokens; 0 without any.

    Dot products are rounded to float32, so that their sum is exact in float64: equal texts tie whatever the order of
    the additions.
    """
    n = min(len(q), len(d))
    dots = [np.float32(np.dot(a.astype(np.float64), b.astype(np.float64))) for a, b in zip(q[:n], d[:n])]
    return float(np.sum(dots, dtype=np.float64)) / n if n else 0.0


class Tokens:
    """Distinct token features, numbered as they come; `rows` are views of the texts they came in."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self._numbers: dict[bytes, int] = {}  # by digest: contextual features are as large as what they would save

    def numbers(self, text: np.ndarray) -> np.ndarray:
        """(n,) the numbers of a text's token features (n, D)."""
        return np.array([self._number(row) for row in text], np.int32)

    def _number(self, row: np.ndarray) -> int:
        number = self._numbers.setdefault(blake2b(row, digest_size=16).digest(), len(self._numbers))
        if number == len(self.rows):
            self.rows.append(row)
        return number


class TokenColumns:
    """Token features of N windows: `table` (V + 1, D) of the distinct ones with a zero at the end, `ids` (L, N) where V
    stands behind the end of a text, `lengths` (N,)."""

    def __init__(self, tokens: Tokens, texts: Sequence[np.ndarray]):
        """`texts` are numbers of `tokens`."""
        rows = tokens.rows
        self.table = np.stack([*rows, np.zeros_like(rows[0])]).astype(np.float32) if rows else np.zeros((1, 1), "f4")
        self.lengths = np.array([len(text) for text in texts], np.int64)
        self.ids = np.full((max(self.lengths, default=0), len(texts)), len(rows), np.int32)
        for column, text in enumerate(texts):
            self.ids[: len(text), column] = text

    @classmethod
    def of(cls, texts: Iterable[np.ndarray]) -> "TokenColumns":
        """From token features (n, D) of each window."""
        tokens = Tokens()
        return cls(tokens, [tokens.numbers(text) for text in texts])

    @cached_property
    def _wide(self) -> np.ndarray:
        """(D, V + 1) the table in float64."""
        return self.table.T.astype(np.float64)

    @property
    def nbytes(self) -> int:
        return self.table.nbytes + self.ids.nbytes + self.lengths.nbytes

    def similarity(self, q: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """(M,) `text_similarity` of the query's tokens (n, D) to those of each window."""
        n = np.minimum(len(q), self.lengths[entries])
        if not n.any():
            return np.zeros(len(entries))
        q = q[: len(self.ids)].astype(np.float64)
        is_cheaper = len(self.table) * len(q) <= MATRIX_GAIN * int(n.sum())
        sums = self._by_table(q, entries) if is_cheaper else self._by_token(q, entries)
        return sums / np.maximum(n, 1)

    def _by_table(self, q: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """(M,) sums of dot products, of which each is computed once for all windows that hold the token."""
        total = np.zeros(len(entries))
        for dots, ids in zip((q @ self._wide).astype(np.float32), self.ids):
            total += dots.take(ids.take(entries))
        return total

    def _by_token(self, q: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """(M,) the same, window by window."""
        sums = []
        for first in range(0, len(entries), BLOCK):
            tokens_nMD = self.table[self.ids[: len(q), entries[first : first + BLOCK]]].astype(np.float64)
            dots_nM = (tokens_nMD @ q[:, :, None])[..., 0].astype(np.float32)
            sums.append(dots_nM.sum(0, dtype=np.float64))
        return np.concatenate(sums)
