"""How fast and how abruptly joints move where windows meet, beside everywhere else."""

from dataclasses import dataclass

import numpy as np

REACH = 2
"""Frames on either side of those that two windows share that still count as their seam."""


@dataclass(frozen=True)
class Seams:
    """99th percentiles over frames of what the fastest joint does, at seams and elsewhere."""

    at: float
    elsewhere: float

    @property
    def ratio(self) -> float:
        return self.at / self.elsewhere


def seam_speeds(positions_TJ3: np.ndarray, hop: int, overlap: int, fps: float = 30) -> dict[str, Seams]:
    """`speed` in m/s and `acceleration` in m/s2 where windows start every `hop` frames and share `overlap` of them."""
    return {
        name: _seams(np.diff(positions_TJ3, order, axis=0) * fps**order, order, hop, overlap)
        for name, order in (("speed", 1), ("acceleration", 2))
    }


def _seams(changes_TJ3: np.ndarray, order: int, hop: int, overlap: int) -> Seams:
    fastest = np.linalg.norm(changes_TJ3, axis=-1).max(1)
    near = np.zeros(len(fastest), bool)
    for start in range(hop, len(fastest), hop):
        near[start - order - REACH : start + overlap + REACH] = True
    return Seams(*(float(np.percentile(x, 99)) for x in (fastest[near], fastest[~near])))
