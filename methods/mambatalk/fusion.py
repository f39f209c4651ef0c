"""Sound and words of a window as one row per frame. Legend: B batch, T frames, C channels."""

import torch
from torch import Tensor, nn


def fused(audio_BTC: Tensor, words_BTC: Tensor, scores: nn.Linear) -> Tensor:
    """(B, T, C): of every channel a mixture a_0 audio + a_1 words, (a_0, a_1) = softmax of two scores of that channel,
    which all channels of both decide."""
    pairs = scores(torch.cat((words_BTC, audio_BTC), -1)).unflatten(-1, (-1, 2)).softmax(-1)
    return audio_BTC * pairs[..., 0] + words_BTC * pairs[..., 1]


def as_long_as(rows_BTC: Tensor, frames: int) -> Tensor:
    """Exactly `frames` rows: further ones are left out; d missing ones are a copy of the last d, in their order, as
    published.

    >>> as_long_as(torch.arange(5.0)[None, :, None], 7)[0, :, 0].tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]
    """
    missing = frames - rows_BTC.shape[1]
    return torch.cat((rows_BTC, rows_BTC[:, -missing:]), 1) if missing > 0 else rows_BTC[:, :frames]
