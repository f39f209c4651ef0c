"""What a trained retrieval module is worth on segments that it was not trained on.

The paper shows pictures; here are recall and median rank in both directions among all validation segments, beside
chance, the accuracy of the matching head, the temperature, and how far the momentum teacher is from the student.
Legend: N validation segments.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.methods.exges.retrieval.contrast import RetrievalModule, TaughtModule, rows_of
from gesturebench.methods.exges.retrieval.validation import HeldOut, encoded, own_ranks, vectors

KS = (1, 5, 10)
GATE_PERCENTILE = 5


def diagnosed(taught: TaughtModule, data: HeldOut) -> dict[str, Any]:
    """Plain data. Without validation segments nothing can be said, and the gate lets everything pass."""
    module = taught.module
    found: dict[str, Any] = {"segments": len(data), "temperature": module.temperature.item(), "gate": -1.0}
    if not len(data):
        return found
    similarity = vectors(module.audio, data.audio) @ vectors(module.motion, data.motion).T
    teacher = vectors(taught.teacher["audio"], data.audio) @ vectors(taught.teacher["motion"], data.motion).T
    return found | {
        "gate": float(np.percentile(similarity.diagonal().numpy(), GATE_PERCENTILE)),
        "audio_to_motion": ranked(similarity),
        "motion_to_audio": ranked(similarity.T),
        "chance": {f"recall_at_{k}": min(1.0, k / len(data)) for k in KS} | {"median_rank": (len(data) + 1) / 2},
        "similarity": {"matched": float(similarity.diagonal().mean()), "all": float(similarity.mean())},
        "matching_accuracy": matching_accuracy(module, data),
        "teacher": {"recall_at_10": _both(teacher), "gap": _both(teacher) - _both(similarity)},
    }


def ranked(similarity_NN: Tensor) -> dict[str, float]:
    """Recall at 1, 5, 10 and median rank of each row's own column."""
    ranks = own_ranks(similarity_NN)
    recalls = {f"recall_at_{k}": float((ranks <= k).float().mean()) for k in KS}
    return {**recalls, "median_rank": float(np.median(ranks.numpy()))}


def _both(similarity_NN: Tensor) -> float:
    return (ranked(similarity_NN)["recall_at_10"] + ranked(similarity_NN.T)["recall_at_10"]) / 2


@torch.no_grad()
def matching_accuracy(module: RetrievalModule, data: HeldOut) -> dict[str, float]:
    """Share of true pairs that the head calls a match, of other pairs (each sound with the next motion of its block)
    that it does not, and their mean, for which chance is 0.5. No value of `others` where there is a single segment."""
    yes: list[Tensor] = []
    no: list[Tensor] = []
    for audio, motion in zip(encoded(module.audio, data.audio), encoded(module.motion, data.motion), strict=True):
        yes.append(_calls_match(module, audio, motion))
        if len(audio.vector) > 1:
            next_rows = torch.arange(len(audio.vector)).roll(-1).to(audio.vector.device)
            no.append(~_calls_match(module, audio, rows_of(motion, next_rows)))
    pairs = float(torch.cat(yes).float().mean())
    if not no:
        return {"pairs": pairs}
    others = float(torch.cat(no).float().mean())
    return {"pairs": pairs, "others": others, "balanced": (pairs + others) / 2}


def _calls_match(module: RetrievalModule, audio: Any, motion: Any) -> Tensor:
    return module.matches(audio, motion).argmax(1).bool().cpu()
