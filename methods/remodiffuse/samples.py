"""Retrieved samples as tensors. Legend: B windows, k samples each, T frames, F features, N tokens, C their width."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gesturebench.methods.remodiffuse.database import PhraseDatabase


@dataclass(frozen=True)
class Samples:
    """Motions (B, k, T, F) standardised and padded with zeros, masks (B, k, T) of their true frames, tokens (B, k, N,
    C) of what was said. A place that nothing was found for is all zeros.
    """

    motion: Tensor
    mask: Tensor
    tokens: Tensor

    @classmethod
    def of(cls, database: PhraseDatabase, found: Sequence[Sequence[int]]) -> "Samples":
        """At most k ids for each window."""
        ids = database.padded(found)
        motions, lengths = database.motions(ids.ravel())
        mask = torch.arange(motions.shape[1]) < torch.from_numpy(np.asarray(lengths))[:, None]
        tokens = database.text_tokens(ids.ravel())
        rows = (torch.from_numpy(np.ascontiguousarray(motions)), mask.float(), torch.from_numpy(tokens))
        return cls(*(part.unflatten(0, ids.shape) for part in rows))

    def to(self, device: torch.device) -> "Samples":
        return Samples(self.motion.to(device), self.mask.to(device), self.tokens.to(device))
