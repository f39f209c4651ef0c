"""Inverted database windows: encoded, inverted in batches under their own conditions, and kept for the next query."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from gesturebench.common.codecs.part_codec import PartCodecs, PartWindows
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.config import RagGestureConfig
from gesturebench.methods.rag_gesture.layout import RETRIEVED_PARTS, TokenLayout
from gesturebench.methods.rag_gesture.sampler import LatentSampler

KEPT = 256
"""Windows kept in memory; the least recently used one goes first."""
BATCH = 16


class Inversions:
    """Cache of inverted latents (S + 1, tokens of the retrieved parts, L) per database window."""

    def __init__(
        self,
        sampler: LatentSampler,
        codecs: PartCodecs,
        layout: TokenLayout,
        store: ClipStore,
        windows: PartWindows,
        config: RagGestureConfig,
    ):
        self._sampler, self._codecs, self._layout = sampler, codecs, layout
        self._store, self._windows, self._config = store, windows, config
        self._kept: OrderedDict[Window, Tensor] = OrderedDict()
        self._tokens = layout.tokens_of(0, layout.slots, RETRIEVED_PARTS)
        self._row_of = {token: row for row, token in enumerate(self._tokens)}

    def prepare(self, windows: Sequence[Window]) -> None:
        """Invert what is not there yet."""
        wanted = list(dict.fromkeys(windows))
        missing = [window for window in wanted if window not in self._kept]
        for first in range(0, len(missing), BATCH):
            part = missing[first : first + BATCH]
            levels = self._invert(part)
            for row, window in enumerate(part):
                self._kept[window] = levels[:, row, self._tokens].clone()
        for window in wanted:
            self._kept.move_to_end(window)
        while len(self._kept) > max(KEPT, len(wanted)):
            self._kept.popitem(last=False)

    def tokens(self, window: Window, tokens: Sequence[int]) -> Tensor:
        """(S + 1, n, L) of a prepared window at the given tokens."""
        return self._kept[window][:, [self._row_of[token] for token in tokens]]

    def _invert(self, windows: Sequence[Window]) -> Tensor:
        features = [self._windows.features(window) for window in windows]
        latents = [
            self._encode({part: f[part][None] for part in PART_NAMES}, w)
            for f, w in zip(features, windows, strict=True)
        ]
        told = conditions.stored(self._store, windows, self._config.conditions)
        return self._sampler.invert(torch.cat(latents), told)

    def _encode(self, features: dict[str, Tensor], window: Window) -> Tensor:
        latents = self._codecs.encode(features, torch_generator("posterior", window.clip_id, window.start))
        return self._layout.join([latents[part] for part in PART_NAMES])
