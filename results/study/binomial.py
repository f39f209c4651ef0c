"""Exact statements about a share of choices."""

from gesturebench.results.significance import ALPHA


def clopper_pearson(wins: int, n: int, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval whose ends are the shares at which `wins` or fewer, or `wins` or more, of n would have the
    probability alpha / 2. (Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case
    of the binomial", Biometrika 26.)

    >>> [round(end, 3) for end in clopper_pearson(0, 10)]
    [0.0, 0.308]
    """
    from scipy.stats import beta

    low = float(beta.ppf(alpha / 2, wins, n - wins + 1)) if wins > 0 else 0.0
    high = float(beta.ppf(1 - alpha / 2, wins + 1, n - wins)) if wins < n else 1.0
    return low, high


def sign_p(wins: int, n: int) -> float:
    """Two-sided p-value of so lopsided a result, if both were chosen with probability 1/2."""
    from scipy.stats import binom

    return min(1.0, 2 * float(binom.cdf(min(wins, n - wins), n, 0.5))) if n else 1.0
