"""When a training had learnt what it was going to learn."""

from collections.abc import Mapping, Sequence
from statistics import fmean

Curve = Sequence[Mapping[str, float]]
"""Rows of named losses with their `step`, in the order of the steps."""


def settled_step(curve: Curve, share: float = 0.05, name: str = "loss") -> int:
    """The first logged step at which a loss is within `share` of where it ends, 0 for a curve without rows.

    Losses of single batches scatter, so it is the mean of the last tenth of all rows up to a step that is compared,
    and where it ends is that mean at the last step.

    >>> settled_step([{"step": 10 * k, "loss": 1 + 2.0**-k} for k in range(1, 9)])
    50
    """
    width = max(1, len(curve) // 10)
    means = [fmean(row[name] for row in curve[max(0, k - width + 1) : k + 1]) for k in range(len(curve))]
    near = (row["step"] for row, mean in zip(curve, means) if mean <= means[-1] + share * abs(means[-1]))
    return int(next(near, 0))
