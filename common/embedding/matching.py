"""Does a motion lie near its own speech? Distances, ranks, R-precision (Guo et al. 2022).

Legend: B rows of a batch, N all rows, D dimensions, K the largest rank that counts.
"""

import numpy as np


def distance_matrix(a_BD: np.ndarray, b_BD: np.ndarray) -> np.ndarray:
    """(B, B') Euclidean distances by differences: equal rows give 0, where |a|^2 - 2ab + |b|^2 may give NaN."""
    return np.linalg.norm(np.asarray(a_BD, np.float64)[:, None] - np.asarray(b_BD, np.float64), axis=-1)


def matched_distances(a_ND: np.ndarray, b_ND: np.ndarray) -> np.ndarray:
    """(N,) Euclidean distance of each row to its partner."""
    return np.linalg.norm(np.asarray(a_ND, np.float64) - b_ND, axis=-1)


def ranks(distances_BB: np.ndarray) -> np.ndarray:
    """(B,) how many others come before a row's own partner; of equal distances the earlier column comes first, so that
    a space collapsed to a point scores chance, not 1."""
    own = np.diagonal(distances_BB)[:, None]
    earlier = np.tri(len(distances_BB), k=-1, dtype=bool)
    return ((distances_BB < own) | ((distances_BB == own) & earlier)).sum(1)


def top_k(distances_BB: np.ndarray, k: int) -> np.ndarray:
    """(B, K) bool: the row's own partner is among its 1, 2 ... K nearest."""
    return ranks(distances_BB)[:, None] < np.arange(1, k + 1)


def r_precision(
    speech_ND: np.ndarray, motion_ND: np.ndarray, *, batch: int = 32, k: int = 3, drop_last: bool = True
) -> np.ndarray:
    """(K,) share of rows whose partner is among the 1 ... K nearest of their batch; batches are consecutive rows."""
    last = len(speech_ND) // batch * batch if drop_last else len(speech_ND)
    hits = [
        top_k(distance_matrix(speech_ND[start : start + batch], motion_ND[start : start + batch]), k)
        for start in range(0, last, batch)
    ]
    return np.concatenate(hits).mean(0)
