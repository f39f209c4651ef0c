"""What the samples of grid points were embedded as, on the disk: a point that needs more clips, or a search that was
interrupted, samples only what is missing.

One file per point, `<w1><w2>.npy`: embeddings (N, D) float32 of the first N clips.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.diffusion.mixture_search import Point
from gesturebench.common.files import writing

Sample = Callable[[slice], Tensor]
"""Rows of the clips -> the embeddings (n, D) of their samples."""


def point_embeddings(folder: Path, point: Point, clips: int, batch: int, sample: Sample) -> Tensor:
    """(clips, D) of a grid point; what is not on the disk is sampled, at most `batch` clips at a time, and kept."""
    path = folder / f"{point[0]:+.4f}{point[1]:+.4f}.npy"
    known = [torch.from_numpy(np.load(path))] if path.exists() else []
    first = len(known[0]) if known else 0
    if first >= clips:
        return known[0][:clips]
    embeddings = torch.cat([*known, *(sample(rows).cpu().float() for rows in batches(first, clips, batch))])
    with writing(path) as part, part.open("wb") as file:
        np.save(file, embeddings.numpy())
    return embeddings


def batches(first: int, last: int, size: int) -> Iterator[slice]:
    """Rows `first` to `last` (exclusive) in slices of at most `size`."""
    for start in range(first, last, size):
        yield slice(start, min(start + size, last))
