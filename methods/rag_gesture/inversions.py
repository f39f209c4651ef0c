"""Inverted database windows: encoded, inverted in batches under their own conditions, and kept for the next query, in
memory and on disk.

On disk lies one file per network and window (2.1 MB at the published size, float32; only the tokens that are ever
inserted), in the user's cache folder, $GESTUREBENCH_INVERSIONS_GB of them (4 by default; 0: none). A window inverted in
another batch differs in the last digits, so results with and without the cache agree to about 1e-5, not bit for bit.
"""

import os
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.array_cache import ArrayCache
from gesturebench.common.codecs.part_codec import PartCodecs, PartWindows, latent
from gesturebench.common.corpus.store import ClipStore, store_version
from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.files import sha256_json
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.seeds import torch_generator
from gesturebench.common.user_cache import cache_folder
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.condition_features import feature_components
from gesturebench.methods.rag_gesture.config import RagGestureConfig
from gesturebench.methods.rag_gesture.layout import RETRIEVED_PARTS, TokenLayout
from gesturebench.methods.rag_gesture.sampler import LatentSampler

KEPT = 256
"""Windows kept in memory; the least recently used one goes first."""
BATCH = 16
LIMIT_GB = "GESTUREBENCH_INVERSIONS_GB"
DEFAULT_GB = 4.0
VERSION = 1
"""Raised when the same weights and configuration invert to other numbers."""


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
        self._disk = ArrayCache(cache_folder() / "inversions", limit_bytes())

    def prepare(self, windows: Sequence[Window]) -> None:
        """Have the inverted latents of these windows at hand: from memory, from disk, or inverted now."""
        wanted = list(dict.fromkeys(windows))
        for window in wanted:
            if window not in self._kept and (levels := self._read(window)) is not None:
                self._kept[window] = levels
        missing = [window for window in wanted if window not in self._kept]
        for first in range(0, len(missing), BATCH):
            part = missing[first : first + BATCH]
            levels = self._invert(part)
            for row, window in enumerate(part):
                self._kept[window] = levels[:, row, self._tokens].clone()
                self._write(window)
        for window in wanted:
            self._kept.move_to_end(window)
        while len(self._kept) > max(KEPT, len(wanted)):
            self._kept.popitem(last=False)

    def tokens(self, window: Window, tokens: Sequence[int]) -> Tensor:
        """(S + 1, n, L) of a prepared window at the given tokens."""
        return self._kept[window][:, [self._row_of[token] for token in tokens]]

    def clean(self, window: Window, tokens: Sequence[int]) -> Tensor:
        """(1, n, L) latents of a window that is not inverted, at the given tokens."""
        return self._encode([window])[:, tokens]

    def _read(self, window: Window) -> Tensor | None:
        levels = self._disk.get(self._name(window)) if self._disk.limit_bytes else None
        return None if levels is None else torch.from_numpy(levels)

    def _write(self, window: Window) -> None:
        if self._disk.limit_bytes:
            self._disk.put(self._name(window), self._kept[window].numpy())

    def _name(self, window: Window) -> str:
        return f"{self._network}/{window.clip_id}-{window.start}-{window.length}"

    @cached_property
    def _network(self) -> str:
        """The key of all that an inversion depends on beside its window."""
        return sha256_json(network_passport(self._config, self._sampler, self._codecs, self._store))[:24]

    def _invert(self, windows: Sequence[Window]) -> Tensor:
        told = conditions.stored(self._store, windows, self._config.conditions)
        return self._sampler.invert(self._encode(windows), told)

    def _encode(self, windows: Sequence[Window]) -> Tensor:
        """(B, T, L). A window's latents do not depend on its neighbours: each has its own source of noise."""
        features = self._windows.features_of(windows)
        posteriors = self._codecs.posteriors(features)
        rows = []
        for row, window in enumerate(windows):
            draw = torch_generator("posterior", window.clip_id, window.start)
            own = ((posteriors[part][0][row], posteriors[part][1][row]) for part in PART_NAMES)
            rows.append(self._layout.join([latent(*pair, self._config.codec, draw) for pair in own]))
        return torch.stack(rows)


def network_passport(
    config: RagGestureConfig, sampler: LatentSampler, codecs: PartCodecs, store: ClipStore
) -> dict[str, Any]:
    """Weights, settings, features and data that an inversion depends on."""
    sections = {"codec", "denoiser", "conditions", "sampling", "compute", "mixture"}
    return {
        "version": VERSION,
        "denoiser": sampler.fingerprint,
        "codecs": codecs.fingerprint(),
        "config": config.model_dump(mode="json", include=sections),
        "features": [component.config for component in feature_components(config)],
        "data": [store.fingerprint, store_version()],
    }


def limit_bytes() -> int:
    """How much of the disk inversions may take, by the environment."""
    given = os.environ.get(LIMIT_GB) or str(DEFAULT_GB)
    try:
        limit = float(given)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise InputError(f"{LIMIT_GB}={given}", expected="gigabytes, 0 for none", remedy="correct or unset it")
    return int(limit * 1e9)
