"""SRGR: every variant and threshold that the file names, on both halves and over all frames."""

import re
from collections.abc import Iterator

import numpy as np

from gesturebench.evaluators.srgr import joint_errors, recall
from tests.parity.frame import Check, Golden, case, near


@case("evaluators/srgr.npz")
def srgr(golden: Golden) -> Iterator[Check]:
    predicted, target, semantic = golden["rec"], golden["tar"], golden["semantic"]
    cut = first_half(golden, len(semantic))
    for group in golden.groups():
        found = re.fullmatch(r"([a-z]+?)(_nosem)?_t([\d.]+)", group)
        if not found:
            continue
        errors, threshold = joint_errors(predicted, target, found[1]), float(found[3])
        if found[2]:
            yield near(group, recall(errors, None, threshold), golden[group])
            continue
        parts = {"first_half": slice(cut), "second_half": slice(cut, None), "avg": slice(None)}
        for part, frames in parts.items():
            ours = recall(errors[frames], semantic[frames], threshold)
            yield near(f"{group}/{part}", ours, golden[f"{group}/{part}"])


def first_half(golden: Golden, n: int) -> int:
    """Frames of the first half, which the file tells only by its weight: avg = (k first + (n - k) second) / n."""
    halves = [golden.under(f"{group}/") for group in golden.groups() if f"{group}/avg" in golden]
    clearest = max(halves, key=lambda half: abs(half["first_half"] - half["second_half"]))
    first, second, whole = (float(clearest[part]) for part in ("first_half", "second_half", "avg"))
    return int(np.rint(n * (whole - second) / (first - second)))
