"""The one rule of where tensors live."""

import os

import torch

from gesturebench.common.errors import unknown_name
from gesturebench.common.processes import RANKS

CHOICES = ("auto", "cpu", "cuda")


def device() -> torch.device:
    """What `GESTUREBENCH_DEVICE` asks for: `cpu`, `cuda`, or `auto` (the default), which is the GPU if there is one.

    Each process of a training on several has a GPU of its own.
    """
    asked = os.environ.get("GESTUREBENCH_DEVICE") or "auto"
    if asked not in CHOICES:
        raise unknown_name("GESTUREBENCH_DEVICE", asked, CHOICES)
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) if _is_rank() else torch.cuda.current_device())


def _is_rank() -> bool:
    return RANKS in os.environ
