"""How far raters agree beyond chance.

Legend: N items, K categories; counts_NK says how many raters put an item into a category.
"""

import numpy as np


def fleiss_kappa(counts_NK: np.ndarray) -> float | None:
    """kappa = (P - P_e) / (1 - P_e), P the mean over items of (sum_k n_ik^2 - m) / (m (m - 1)), P_e = sum_k p_k^2 with
    p_k the share of category k. (Fleiss 1971, "Measuring nominal scale agreement among many raters", Psychological
    Bulletin 76.) It asks for the same number m >= 2 of raters for each item; None where that is not so, or where all
    ratings are equal.

    >>> round(fleiss_kappa(np.array([[3, 0], [0, 3], [2, 1]])), 3)
    0.55
    """
    counts_NK = np.asarray(counts_NK, float)
    raters_N = counts_NK.sum(1)
    if len(counts_NK) == 0 or raters_N[0] < 2 or (raters_N != raters_N[0]).any():
        return None
    m = raters_N[0]
    agreed = (((counts_NK**2).sum(1) - m) / (m * (m - 1))).mean()
    by_chance = ((counts_NK.sum(0) / counts_NK.sum()) ** 2).sum()
    return None if by_chance == 1 else float((agreed - by_chance) / (1 - by_chance))


def krippendorff_alpha(counts_NK: np.ndarray) -> float | None:
    """alpha = 1 - D_o / D_e for names, where items may have different numbers of ratings; one alone says nothing.

    D_o = sum_i (m_i^2 - sum_k n_ik^2) / (m_i - 1) / n,  D_e = (n^2 - sum_k n_k^2) / (n (n - 1)), n all ratings.
    (Krippendorff 2011, "Computing Krippendorff's alpha-reliability".) None where there is nothing to compare, or all
    ratings are equal.
    """
    counts_NK = np.asarray(counts_NK, float)
    counts_NK = counts_NK[counts_NK.sum(1) >= 2] if len(counts_NK) else counts_NK
    n, m_N, n_K = counts_NK.sum(), counts_NK.sum(-1), counts_NK.sum(0)
    if n == 0 or (n_K == n).any():
        return None
    observed = ((m_N**2 - (counts_NK**2).sum(1)) / (m_N - 1)).sum() / n
    expected = (n**2 - (n_K**2).sum()) / (n * (n - 1))
    return float(1 - observed / expected)
