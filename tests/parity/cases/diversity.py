"""L1div clip after clip, and the pair distances of diversity."""

import re
from collections.abc import Iterator

import numpy as np

from gesturebench.evaluators.diversity import average_distance, mean_pair_distance, rooted
from gesturebench.evaluators.l1div import absolute_deviation, l1_deviation
from tests.parity.frame import Check, Golden, case, near


@case("evaluators/diversity.npz")
def diversity(golden: Golden) -> Iterator[Check]:
    yield from l1div(golden.under("l1div/"))
    clips = golden["avgdist/clips"].astype(np.float64)
    yield near("avgdist/value", average_distance(clips), golden["avgdist/value"])
    from_pelvis = np.stack([rooted(clip, "first_frame") for clip in clips])
    yield near("avgdist/value_rootnorm", average_distance(from_pelvis), golden["avgdist/value_rootnorm"])
    yield near("calcdiv/value", mean_pair_distance(golden["calcdiv/feats"]), golden["calcdiv/value"])


def l1div(arrays: dict[str, np.ndarray]) -> Iterator[Check]:
    """The running mean over the frames of all clips so far, and what the in-place code leaves of a clip.

    The latter in the file's single precision, whose mean over many frames is off by more than the tolerance.
    """
    total = frames = 0.0
    for name in [name for name in arrays if re.fullmatch(r"clip\d+", name)]:
        clip = arrays[name]
        total, frames = total + l1_deviation(clip.astype(np.float64)), frames + len(clip)
        for running in (f"running_{tools}{name.removeprefix('clip')}" for tools in ("legacy", "evaltools")):
            yield near(f"l1div/{running}", total / frames, arrays[running])
        if (left := f"{name}_after_run") in arrays:
            yield near(f"l1div/{left}", absolute_deviation(clip), arrays[left])
