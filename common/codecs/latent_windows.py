"""Random windows as latents, for training on top of frozen codecs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gesturebench.common.codecs.part_codec import STORE_FPS, PartCodecs, PartWindows, latent
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import RandomWindows, Window
from gesturebench.common.motion.skeleton import PART_NAMES

WINDOWED = ("lower",)
"""Parts whose features depend on where the window starts: translation is relative to its first frame."""
CLIPWISE = tuple(part for part in PART_NAMES if part not in WINDOWED)


class LatentWindows:
    """Windows that start at whole chunks: chunks are encoded independently, so a clip's chunks are encoded once."""

    def __init__(self, store: ClipStore, split: str, codecs: PartCodecs):
        config = codecs.config
        self._store, self._codecs = store, codecs
        self._chunk = config.vae.chunk * STORE_FPS // config.fps
        self._random = RandomWindows(store, split, config.frames * STORE_FPS // config.fps, self._chunk)
        self._windows = PartWindows(store, split, config)
        self._clips: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}

    def draw(self, count: int, generator: torch.Generator) -> list[Window]:
        return self._random.draw(count, generator)

    def latents(self, windows: Sequence[Window], generator: torch.Generator) -> list[Tensor]:
        """(B, K, D) for every part, in the order of the parts; drawn from the posterior where the codec says so."""
        posteriors = [self._clipwise(window) | self._windowed(window) for window in windows]
        stacked = {
            part: [torch.stack(rows) for rows in zip(*(p[part] for p in posteriors), strict=True)]
            for part in PART_NAMES
        }
        return [latent(*stacked[part], self._codecs.config, generator) for part in PART_NAMES]

    def _clipwise(self, window: Window) -> dict[str, tuple[Tensor, Tensor]]:
        first, count = window.start // self._chunk, window.length // self._chunk
        clip = self._clip(window.clip_id)
        return {part: tuple(rows[first : first + count] for rows in clip[part]) for part in CLIPWISE}

    def _windowed(self, window: Window) -> dict[str, tuple[Tensor, Tensor]]:
        return self._posteriors(window, WINDOWED)

    def _clip(self, clip_id: str) -> dict[str, tuple[Tensor, Tensor]]:
        if clip_id not in self._clips:
            length = self._store.n_frames(clip_id) // self._chunk * self._chunk
            self._clips[clip_id] = self._posteriors(Window(clip_id, 0, length), CLIPWISE)
        return self._clips[clip_id]

    def _posteriors(self, window: Window, parts: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        features = self._windows.features(window, parts)
        posteriors = {part: self._codecs.posterior(part, features[part][None]) for part in parts}
        return {part: (mean[0], log_variance[0]) for part, (mean, log_variance) in posteriors.items()}
