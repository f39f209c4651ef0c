"""From what seeds and clips gave to one number with an interval.

Legend: S seeds, C clips, B bootstrap replicates.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

LEVEL = 0.95
REPLICATES = 2000

IntervalKind = Literal["none", "seeds", "clips"]
"""`clips`: percentile bootstrap over clips (and seeds, where there are several); `seeds`: Student's t over seeds;
`none`: nothing varies."""


@dataclass(frozen=True)
class Number:
    """A mean over seeds with the limits of its 95 % interval (NaN where there is none), and `n`, the clips behind
    it."""

    mean: float
    low: float
    high: float
    interval: IntervalKind
    seeds: int
    n: int

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high if self.interval != "none" else self.mean == value


@dataclass(frozen=True, eq=False)
class Sample:
    """What one metric column gave: `totals` (S,) per seed, and per clip `values` (S, C) with `weights` (S, C), None
    where a clip has none."""

    totals: np.ndarray
    values: np.ndarray | None
    weights: np.ndarray | None
    n: int


def summarise(sample: Sample) -> Number:
    """Mean over seeds; the interval from clips where there are several, else from seeds where there are several."""
    mean, seeds = float(sample.totals.mean()), len(sample.totals)
    if sample.values is not None and sample.values.shape[1] > 1:
        low, high = clip_bootstrap(sample.values, sample.weights)
        return Number(mean, low, high, "clips", seeds, sample.n)
    if seeds > 1:
        half = student_half_width(sample.totals)
        return Number(mean, mean - half, mean + half, "seeds", seeds, sample.n)
    return Number(mean, np.nan, np.nan, "none", seeds, sample.n)


def clip_bootstrap(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Percentile limits of mean_s (sum_c w_sc v_sc / sum_c w_sc), clips and seeds drawn with replacement.

    A clip is drawn with all its seeds (they share its speech), hence clips and seeds are crossed (Owen 2007,
    "pigeonhole bootstrap").
    """
    n_seeds, n_clips = values.shape
    rng = np.random.default_rng(0)
    clips_BC = rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), REPLICATES)
    seeds_BS = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), REPLICATES)
    total_BS = clips_BC @ weights.T
    sums_BS = clips_BC @ (weights * values).T
    means_BS = np.divide(sums_BS, total_BS, out=np.zeros(total_BS.shape), where=total_BS > 0)
    counted_BS = seeds_BS * (total_BS > 0)
    kept = counted_BS.sum(1) > 0
    means_B = (counted_BS * means_BS).sum(1)[kept] / counted_BS.sum(1)[kept]
    low, high = np.quantile(means_B, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def student_half_width(totals: np.ndarray) -> float:
    """t_{S-1} s / sqrt(S) for the mean of S seeds."""
    from scipy.special import stdtrit

    s = totals.std(ddof=1)
    return float(stdtrit(len(totals) - 1, (1 + LEVEL) / 2) * s / np.sqrt(len(totals)))
