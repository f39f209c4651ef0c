"""The identity of weights by their content."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def tensors_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Hexadecimal digest of names, types, shapes and values; the order, the device and the layout do not count. About
    a second per gigabyte.

    >>> weight = torch.arange(6.0).view(2, 3)
    >>> same = {"bias": torch.zeros(2), "weight": weight.t().contiguous().t()}
    >>> tensors_fingerprint({"weight": weight, "bias": torch.zeros(2)}) == tensors_fingerprint(same)
    True
    """
    digest = hashlib.blake2b(digest_size=32)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(memoryview(tensor.view(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
