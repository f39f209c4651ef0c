"""Whether two rows of a table really differ: permutation tests with Holm's correction.

Legend: S seeds, C clips, B bootstrap replicates, K rows, P relabellings.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gesturebench.evaluators.base import Direction
from gesturebench.results.numbers import Sample, interval_of

ALPHA = 0.05
RELABELLINGS = 9999
"""Random relabellings (a fixed seed) where there are too many to go through all."""
_ALL_UP_TO = 13_000
_AT_ONCE = 16
"""Rows whose relabellings are held in memory together."""

Gap = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""How much worse the first of two means is, up to the sign; see `gap_of`."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A row in a column: whatever names it, what was measured, and the bootstrap means (B,) of `numbers.replicates`
    (None without clips)."""

    row: Hashable
    sample: Sample
    means_B: np.ndarray | None


@dataclass(frozen=True)
class Verdict:
    """Of a row against another: `p` after Holm's correction, None where too little was run for any test; `real`: p is
    below 5 % and the 95 % interval of the difference, over clips and seeds, leaves zero out."""

    p: float | None
    real: bool


def compare(
    reference: Contender, others: Sequence[Contender], direction: Direction = "lower", truth: Contender | None = None
) -> list[Verdict]:
    """Every one of `others` against `reference`; Holm's correction is for all comparisons that were possible."""
    raw = _p_values(reference, others, direction, truth)
    possible = [i for i, p in enumerate(raw) if p is not None]
    adjusted = dict(zip(possible, holm([raw[i] for i in possible])))
    return [
        Verdict(None, False)
        if i not in adjusted
        else Verdict(adjusted[i], adjusted[i] < ALPHA and _interval_leaves_zero_out(reference, other, direction, truth))
        for i, other in enumerate(others)
    ]


def gap_of(direction: Direction, truth: float | np.ndarray | None = None) -> Gap:
    """a - b where lower or higher is better, |a - truth| - |b - truth| where closer is."""
    if direction == "closer to ground truth":
        return lambda a, b: np.abs(a - truth) - np.abs(b - truth)
    return lambda a, b: a - b


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: max over j <= i of min(1, (m - j + 1) p_(j)), p_(j) the j-th smallest of m (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    m, order = len(p_values), np.argsort(p_values, kind="stable")
    steps = (m - np.arange(m)) * np.asarray(p_values)[order]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted.tolist()


def shares(sample: Sample) -> np.ndarray:
    """(C,) what every clip adds to the number: C w_sc v_sc / sum_c w_sc, averaged over seeds. Their mean is the
    number."""
    weights, n_clips = sample.weights, sample.weights.shape[1]
    return (n_clips * weights * sample.values / weights.sum(1, keepdims=True)).mean(0)


def sign_flip_p(a_C: np.ndarray, b_KC: np.ndarray, truth: float | None = None) -> np.ndarray:
    """(K,) two-sided p-values of rows `b` against `a`, paired by clip: were the rows' names exchangeable within every
    clip, how often would their means, or their distances to `truth`, be as far apart as they are? All 2^(C-1)
    exchanges where they are few, else 9999 drawn ones, the observed one counted with them (Phipson and Smyth 2010).

    Exchanges leave the middle m of the two means where it is: they become m + d and m - d, whose distances to truth
    differ by 2 min(|d|, |m - truth|).
    """
    flips_PC, drawn = _flips(len(a_C))
    half_KC = (a_C - b_KC) / 2
    wide_K = np.abs(half_KC.mean(1))
    if truth is not None:
        wide_K = np.minimum(wide_K, np.abs((a_C + b_KC).mean(1) / 2 - truth))
    hits_K = np.empty(len(b_KC))
    for i in range(0, len(b_KC), _AT_ONCE):
        some = slice(i, i + _AT_ONCE)
        d_KP = np.abs(half_KC[some] @ flips_PC.T / len(a_C))
        hits_K[some] = _as_wide(d_KP, wide_K[some]).sum(1)
    return (hits_K + drawn) / (len(flips_PC) + drawn)


def relabelling_p(a_S: np.ndarray, b_S: np.ndarray, gap: Gap) -> float:
    """Two-sided p-value of two rows with unpaired values, one for each seed: over all ways to deal the values to two
    rows of these sizes, how often would the gap be as wide as it is (Fisher and Pitman's test)?"""
    pooled = np.concatenate([a_S, b_S])
    first_PS, drawn = _deals(len(a_S), len(b_S))
    sums_P = pooled[first_PS].sum(1)
    means = sums_P / len(a_S), (pooled.sum() - sums_P) / len(b_S)
    wide_K = np.abs(gap(np.array([a_S.mean()]), np.array([b_S.mean()])))
    hits = _as_wide(np.abs(gap(*means))[None], wide_K).sum()
    return float((hits + drawn) / (len(first_PS) + drawn))


def enough(sample: Sample, other: Sample) -> bool:
    """Whether any outcome could be significant: from six clips or, without clips, from four seeds a row."""
    if sample.has_clips and other.has_clips:
        return 2 / 2 ** len(sample.clips) <= ALPHA
    return 2 / math.comb(len(sample.totals) + len(other.totals), len(sample.totals)) <= ALPHA


def _p_values(
    reference: Contender, others: Sequence[Contender], direction: Direction, truth: Contender | None
) -> list[float | None]:
    """Uncorrected; None where no test is possible: too little was run, or other clips were scored."""
    a, found = reference.sample, [None] * len(others)
    target = float(truth.sample.totals.mean()) if truth and direction == "closer to ground truth" else None
    able = [i for i, other in enumerate(others) if _comparable(a, other.sample)]
    if able and a.has_clips:
        rows_KC = np.stack([shares(others[i].sample) for i in able])
        p_K = sign_flip_p(shares(a), rows_KC, target).tolist()
    else:
        p_K = [relabelling_p(a.totals, others[i].sample.totals, gap_of(direction, target)) for i in able]
    for i, p in zip(able, p_K):
        found[i] = p
    return found


def _comparable(a: Sample, b: Sample) -> bool:
    return a.has_clips == b.has_clips and a.clips == b.clips and enough(a, b)


def _interval_leaves_zero_out(
    reference: Contender, other: Contender, direction: Direction, truth: Contender | None
) -> bool:
    """Guards against differences that hold for these seeds alone, or for this ground truth; without clips the test
    itself is over seeds."""
    if reference.means_B is None or other.means_B is None:
        return True
    truth_B = truth and (truth.sample.totals.mean() if truth.means_B is None else truth.means_B)
    low, high = interval_of(gap_of(direction, truth_B)(other.means_B, reference.means_B))
    return low > 0 or high < 0


def _as_wide(null_KP: np.ndarray, wide_K: np.ndarray) -> np.ndarray:
    """(K, P) whether a relabelling's width reaches the observed one, up to rounding."""
    slack_K = 1e-12 * np.maximum(wide_K, null_KP.max(1))
    return null_KP >= (wide_K - slack_K)[:, None]


@lru_cache(maxsize=8)
def _flips(n_clips: int) -> tuple[np.ndarray, bool]:
    """Signs (P, C), and whether they were drawn. All of them: half is enough, the other half mirrors it."""
    if 2 ** (n_clips - 1) <= _ALL_UP_TO:
        rest = itertools.product((1.0, -1.0), repeat=n_clips - 1)
        return np.array([(1.0, *signs) for signs in rest]), False
    return np.random.default_rng(0).choice((1.0, -1.0), size=(RELABELLINGS, n_clips)), True


@lru_cache(maxsize=8)
def _deals(n_a: int, n_b: int) -> tuple[np.ndarray, bool]:
    """Which of the pooled values the first row gets (P, S), and whether that was drawn."""
    if math.comb(n_a + n_b, n_a) <= _ALL_UP_TO:
        return np.array(list(itertools.combinations(range(n_a + n_b), n_a))), False
    rng = np.random.default_rng(0)
    return np.array([rng.permutation(n_a + n_b)[:n_a] for _ in range(RELABELLINGS)]), True
