"""From what seeds and clips gave to one number with an interval.

Legend: S seeds, C clips, B bootstrap replicates, E samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

LEVEL = 0.95
REPLICATES = 2000

IntervalKind = Literal["none", "draws", "seeds", "clips"]
"""`clips`: percentile bootstrap over clips (and seeds, where there are several); `seeds`: Student's t over seeds;
`draws`: over replications of what the metric itself draws, which says nothing of clips or training; `none`: nothing
varies."""


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
    where a clip has none; `clips` are the C clips' ids; `drawn` half of the interval over a metric's own draws, where
    it states one for its only seed."""

    totals: np.ndarray
    values: np.ndarray | None
    weights: np.ndarray | None
    n: int
    clips: tuple[str, ...] = ()
    drawn: float | None = None

    @property
    def has_clips(self) -> bool:
        """Whether there are several clips to draw from."""
        return self.values is not None and self.values.shape[1] > 1


def summarise(samples: Sequence[Sample]) -> tuple[list[Number], list[np.ndarray | None]]:
    """The number of every sample, and the bootstrap means that its interval was read from, see `replicates`.

    A number is the mean over seeds; its interval is from clips where there are several, else from seeds where there are
    several, else from the metric's own draws where it has any."""
    means = replicates(samples)
    places = [place for place, means_B in enumerate(means) if means_B is not None]
    found = dict(zip(places, _limits([means[place] for place in places])))
    return [_number(sample, found.get(place)) for place, sample in enumerate(samples)], means


def _number(sample: Sample, interval: tuple[float, float] | None) -> Number:
    mean, seeds = float(sample.totals.mean()), len(sample.totals)
    if interval is not None:
        return Number(mean, *interval, "clips", seeds, sample.n)
    if seeds > 1:
        half = student_half_width(sample.totals)
        return Number(mean, mean - half, mean + half, "seeds", seeds, sample.n)
    if sample.drawn is not None:
        return Number(mean, mean - sample.drawn, mean + sample.drawn, "draws", seeds, sample.n)
    return Number(mean, np.nan, np.nan, "none", seeds, sample.n)


def replicates(samples: Sequence[Sample]) -> list[np.ndarray | None]:
    """The bootstrap means (B,) of every sample that has clips, mean_s (sum_c w_sc v_sc / sum_c w_sc) with clips and
    seeds drawn with replacement; None for the others.

    A clip is drawn with all its seeds (they share its speech), hence clips and seeds are crossed (Owen 2007,
    "pigeonhole bootstrap").
    Samples of equal shape are drawn together and with the same draws, so that differences between two rows of a table
    are paired: replicate b of both has the same clips and seeds. NaN where a replicate drew nothing with a weight.
    """
    found: list[np.ndarray | None] = [None] * len(samples)
    shapes: dict[tuple[int, int], list[int]] = {}
    for place, sample in enumerate(samples):
        if sample.has_clips:
            shapes.setdefault(sample.values.shape, []).append(place)
    for places in shapes.values():
        for some in _chunks(places):
            means_EB = _bootstrap(
                np.stack([samples[i].values for i in some]), np.stack([samples[i].weights for i in some])
            )
            for place, means_B in zip(some, means_EB):
                found[place] = means_B
    return found


def interval_of(means_B: np.ndarray) -> tuple[float, float]:
    """The percentile interval of bootstrap means, or of their differences."""
    return _limits([means_B])[0]


def _limits(means: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    """Percentile intervals, to 12 digits: the rest depends on the order in which a machine adds."""
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    found = []
    for some in _chunks(means):
        means_EB = np.stack(some)
        whole = not np.isnan(means_EB).any()
        found += (np.quantile if whole else np.nanquantile)(means_EB, tails, axis=1).T.tolist()
    return [(float(f"{low:.12g}"), float(f"{high:.12g}")) for low, high in found]


@lru_cache(maxsize=16)
def _draws(n_seeds: int, n_clips: int) -> tuple[np.ndarray, np.ndarray]:
    """How often every clip (B, C) and every seed (B, S) is drawn. Clips first: rows with other seeds share them."""
    rng = np.random.default_rng(0)
    clips_BC = rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), REPLICATES)
    seeds_BS = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), REPLICATES)
    return clips_BC.astype(np.float64), seeds_BS.astype(np.float64)


def _bootstrap(values_ESC: np.ndarray, weights_ESC: np.ndarray) -> np.ndarray:
    """(E, B) bootstrap means. The weights of most rows are the same, the frames of the clips: summed up once."""
    n_samples, n_seeds, n_clips = values_ESC.shape
    clips_BC, seeds_BS = _draws(n_seeds, n_clips)
    different, which = np.unique(weights_ESC.reshape(-1, n_clips), axis=0, return_inverse=True)
    total_FB = (different @ clips_BC.T)[which.ravel()]
    sums_FB = (weights_ESC * values_ESC).reshape(-1, n_clips) @ clips_BC.T
    means_FB = np.divide(sums_FB, total_FB, out=np.zeros(total_FB.shape), where=total_FB > 0)
    if (total_FB > 0).all():
        return np.einsum("esb,bs->eb", means_FB.reshape(n_samples, n_seeds, -1), seeds_BS) / n_seeds
    counted_ESB = seeds_BS.T * (total_FB > 0).reshape(n_samples, n_seeds, -1)
    seeds_EB = counted_ESB.sum(1)
    sums_EB = (counted_ESB * means_FB.reshape(counted_ESB.shape)).sum(1)
    return np.divide(sums_EB, seeds_EB, out=np.full(seeds_EB.shape, np.nan), where=seeds_EB > 0)


def _chunks(items: Sequence, size: int = 64) -> Iterator[Sequence]:
    """Few samples at a time: their replicates stay in the processor's cache."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def student_half_width(totals: np.ndarray) -> float:
    """t_{S-1} s / sqrt(S) for the mean of S seeds."""
    from scipy.special import stdtrit

    s = totals.std(ddof=1)
    return float(stdtrit(len(totals) - 1, (1 + LEVEL) / 2) * s / np.sqrt(len(totals)))
