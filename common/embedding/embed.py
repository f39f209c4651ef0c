"""Embedding into the space of a trained evaluator: motion (differentiable) and speech.

Legend: N units, T frames at 15 fps, F features of a frame, D dimensions.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Speech
from gesturebench.common.embedding.artifact import load_embedding, stamp
from gesturebench.common.embedding.spoken import SpokenUnit, collated, spoken_units
from gesturebench.common.embedding.towers import FPS, SpeechMotion, motion_rows
from gesturebench.common.embedding.units import RATE


def embedding_of(folder: Path) -> SpeechMotion:
    """The trained towers of an artifact, in eval mode and without gradients of their own; loaded once in a process."""
    return _loaded(Path(folder), stamp(Path(folder)))


@lru_cache(maxsize=4)
def _loaded(folder: Path, stamp: tuple[int, int]) -> SpeechMotion:
    return load_embedding(folder).requires_grad_(False)


def embed_motion(folder: Path, motions_NTF: Tensor, lengths_N: Tensor | None = None) -> Tensor:
    """(N, D) embeddings of motion at 15 fps, differentiable in the motion.

    The first 330 features of a frame are the 55 joints' rotations in 6D (rows of the matrix, radians nowhere), not
    normalised; what follows them is not read. `lengths_N` are frames that count, None: all. Runs where the motion is.
    """
    model = embedding_of(folder)
    device = motions_NTF.device
    if device != next(model.parameters()).device:
        model = model.to(device)
    whole = torch.full((len(motions_NTF),), motions_NTF.shape[1], device=device)
    return model.embed_motion(motions_NTF, whole if lengths_N is None else lengths_N.to(device))


def embed_speech(folder: Path, speech: Speech, spans: Sequence[tuple[int, int]]) -> Tensor:
    """(N, D) embeddings of frames [start, stop) at 30 fps of a speech, on the CPU."""
    return embed_units(folder, spoken_units(speech, spans, embedding_of(folder).config))


@torch.no_grad()
def embed_units(folder: Path, units: Sequence[SpokenUnit]) -> Tensor:
    """(N, D) embeddings of speech whose tokens are there already, on the CPU."""
    model = embedding_of(folder).cpu()
    return model.embed_speech(collated(units)) if units else torch.zeros(0, model.config.dim)


@torch.no_grad()
def embed_poses(folder: Path, poses: np.ndarray, spans: Sequence[tuple[int, int]]) -> Tensor:
    """(N, D) embeddings of frames [start, stop) of axis-angle poses (T, 165) at 30 fps, on the CPU."""
    model, step = embedding_of(folder).cpu(), RATE // FPS
    rows = [motion_rows(poses[start:stop:step]) for start, stop in spans]
    if not rows:
        return torch.zeros(0, model.config.dim)
    lengths = torch.tensor([len(row) for row in rows])
    return model.embed_motion(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths)
