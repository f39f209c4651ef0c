"""How alike two words are spelled: the partial ratio of fuzzywuzzy 0.18 over the standard library's difflib.

The shorter word is laid at every common block along the longer one; the best share of letters counts:
`max_k 2 M(s, l_k) / (|s| + |l_k|)` with M the letters in common blocks (Ratcliff and Obershelp 1988), as an integer
percentage. Other libraries (rapidfuzz, python-Levenshtein) align differently and give other values.
"""

from difflib import SequenceMatcher
from functools import lru_cache

AUTOJUNK = 200
"""From this length on difflib ignores letters that are frequent in the second word."""


@lru_cache(maxsize=1 << 18)
def word_similarity(a: str, b: str) -> float:
    """In [0, 1]: 0 where either is empty, 1 where they are equal or one lies inside the other.

    >>> word_similarity("house small", "small house"), word_similarity("big", "bigger"), word_similarity("", "big")
    (0.62, 1.0, 0.0)
    """
    if not a or not b:
        return 0.0
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    if shorter == longer or (len(longer) < AUTOJUNK and shorter in longer):
        return 1.0
    n, best = len(shorter), 0.0
    for start in {max(j - i, 0) for i, j, _ in common_blocks(shorter, longer)} | {len(longer) - n}:
        piece = longer[start : start + n]  # shorter than n at the end of the longer word
        if _ratio(sum(map(piece.__contains__, shorter)), shorter, piece) > best:  # no order of letters can match more
            matched = sum(size for _, _, size in common_blocks(shorter, piece))
            best = max(best, _ratio(matched, shorter, piece))
    return 1.0 if best > 0.995 else round(100 * best) / 100


def _ratio(matched: int, a: str, b: str) -> float:
    return 2.0 * matched / (len(a) + len(b))


def common_blocks(a: str, b: str) -> list[tuple[int, int, int]]:
    """(start in a, start in b, length) of the longest common piece, and so on left and right of it.

    Of equally long pieces the first in `a` counts, of those the first in `b`: difflib's `get_matching_blocks` but for
    its empty last block, several times faster for words.
    """
    if len(b) >= AUTOJUNK:
        return [tuple(block) for block in SequenceMatcher(None, a, b).get_matching_blocks()[:-1]]
    blocks, waiting = [], [(0, len(a), 0, len(b))]
    while waiting:
        a0, a1, b0, b1 = waiting.pop()
        block = _longest(a, b, a0, a1, b0, b1)
        if block:
            i, j, size = block
            blocks.append(block)
            waiting += [(a0, i, b0, j), (i + size, a1, j + size, b1)]
    return sorted(blocks)


def _longest(a: str, b: str, a0: int, a1: int, b0: int, b1: int) -> tuple[int, int, int] | None:
    """The longest common piece of a[a0:a1] and b[b0:b1]."""
    best, size = None, 0
    i = a0
    while i + size < a1:
        j = b.find(a[i : i + size + 1], b0, b1)
        if j < 0:
            i += 1
            continue
        size += 1
        best = (i, j, size)
    return best
