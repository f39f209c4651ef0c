"""Speakers as styles."""

import torch
from torch import Tensor

from gesturebench.common.corpus.names import dense_speaker
from gesturebench.common.errors import InputError


def style_of(speaker: int, styles: int) -> Tensor:
    """(S,) one-hot; with a single style all speakers have it."""
    row = 0 if styles == 1 else dense_speaker(speaker)
    if row >= styles:
        raise InputError(
            f"styles = {styles}, and speaker {speaker} has row {row}",
            expected="25 styles, or 1 for all speakers",
            remedy="train with another number",
        )
    return torch.nn.functional.one_hot(torch.tensor(row), styles).float()
