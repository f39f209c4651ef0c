"""May the space be trusted? Captured motion of clips that were not trained on must be found from its speech.

Legend: N units, D dimensions.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from gesturebench.common.embedding.matching import r_precision
from gesturebench.common.seeds import numpy_generator

POOL = 32
K = 3
DRAWS = 20


@dataclass(frozen=True)
class Gate:
    """What was measured on `units` held-out units in pools of `pool`: R@1 to R@3 of captured motion (`ceiling`) and of
    motions dealt to other units of about the same length (`floor`), `chance` at R@3.

    The space is `informative` if R@3 of captured motion is `wanted` times chance, and above the floor by more than
    1.96 sqrt(p (1 - p) / units) of it. Motion of the right length is found more often than chance in any space that can
    tell how long a unit is: the first condition alone would let a clock pass.
    """

    split: str
    units: int
    pool: int
    chance: float
    ceiling: tuple[float, ...]
    floor: tuple[float, ...]
    wanted: float
    informative: bool


def gate_of(
    speech_ND: np.ndarray, motion_ND: np.ndarray, lengths_N: np.ndarray, *, split: str, wanted: float, seed: int = 0
) -> Gate:
    """Means over 20 drawn cuts into pools of 32, of all units where there are fewer."""
    n = len(speech_ND)
    pool = min(POOL, n)
    if pool <= K:
        return Gate(split, n, pool, 1.0, (0.0,) * K, (0.0,) * K, wanted, informative=False)
    dealt = dealt_by_length(lengths_N)
    found: dict[str, list[np.ndarray]] = {"ceiling": [], "floor": []}
    for draw in range(DRAWS):
        order = numpy_generator("gate", seed, draw).permutation(n)
        found["ceiling"].append(r_precision(speech_ND[order], motion_ND[order], batch=pool, k=K))
        found["floor"].append(r_precision(speech_ND[order], motion_ND[dealt[order]], batch=pool, k=K))
    ceiling, floor = (tuple(float(v) for v in np.mean(found[name], 0)) for name in ("ceiling", "floor"))
    chance = K / pool
    above_floor = ceiling[-1] - floor[-1] > 1.96 * sqrt(floor[-1] * (1 - floor[-1]) / n)
    return Gate(split, n, pool, chance, ceiling, floor, wanted, above_floor and ceiling[-1] >= wanted * chance)


def dealt_by_length(lengths_N: np.ndarray) -> np.ndarray:
    """(N,) for each unit another one of a similar length: neighbours in the order of lengths swap. Two units at least.

    >>> dealt_by_length(np.array([30, 90, 31, 88])).tolist()
    [2, 3, 0, 1]
    """
    order = np.argsort(lengths_N, kind="stable")
    partner = np.arange(len(order)) ^ 1
    if len(order) % 2:  # the last three take turns
        partner[-3:] = len(order) - np.array([2, 1, 3])
    dealt = np.empty_like(order)
    dealt[order] = order[partner]
    return dealt
