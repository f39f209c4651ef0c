"""Random windows as latents, for training on top of frozen codecs."""

from collections.abc import Mapping, Sequence
from math import gcd

import torch
from torch import Tensor

from gesturebench.common.codecs.part_codec import STORE_FPS, PartCodecs, PartWindows, latent
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import RandomWindows, Window
from gesturebench.common.motion.skeleton import PART_NAMES

WINDOWED = ("lower",)
"""Parts whose features depend on where the window starts: translation is relative to its first frame."""
CLIPWISE = tuple(part for part in PART_NAMES if part not in WINDOWED)

Posterior = tuple[Tensor, Tensor]
"""Mean and log-variance, (K, D) of one window or clip, (B, K, D) of several."""


class LatentWindows:
    """Windows that start at multiples of `stride` frames of the codec (default: of its chunk), as latents.

    Chunks are encoded independently of each other, so a window's latents are a cut of its clip's, encoded from the same
    phase (start modulo chunk): a clip is encoded once for each of its phases, chunk / gcd(chunk, stride) at most. That
    is kept in memory: 8 bytes per latent channel, slot, phase and part. Only parts whose features depend on the
    window's start are encoded at every draw, all windows together.
    """

    def __init__(self, store: ClipStore, split: str, codecs: PartCodecs, *, stride: int | None = None):
        config = codecs.config
        self._store, self._codecs = store, codecs
        frame = STORE_FPS // config.fps
        self._chunk = config.vae.chunk * frame
        self._random = RandomWindows(store, split, config.frames * frame, (stride or config.vae.chunk) * frame)
        self._windows = PartWindows(store, split, config)
        self._clips: dict[tuple[str, int], dict[str, Posterior]] = {}

    @property
    def phases(self) -> int:
        """In how many phases a clip is encoded at most."""
        return self._chunk // gcd(self._chunk, self._random.step)

    def draw(self, count: int, generator: torch.Generator) -> list[Window]:
        return self._random.draw(count, generator)

    def latents(self, windows: Sequence[Window], generator: torch.Generator) -> list[Tensor]:
        """(B, K, D) for every part, in the order of the parts; drawn from the posterior where the codec says so."""
        posteriors = self._clipwise(windows) | self._posteriors(windows, WINDOWED)
        return [latent(*posteriors[part], self._codecs.config, generator) for part in PART_NAMES]

    def _clipwise(self, windows: Sequence[Window]) -> dict[str, Posterior]:
        rows = [self._cut(window) for window in windows]
        return {
            part: tuple(torch.stack(side) for side in zip(*(row[part] for row in rows), strict=True))
            for part in CLIPWISE
        }

    def _cut(self, window: Window) -> Mapping[str, Posterior]:
        first, phase = divmod(window.start, self._chunk)
        cut = slice(first, first + window.length // self._chunk)
        return {part: (mean[cut], spread[cut]) for part, (mean, spread) in self._clip(window.clip_id, phase).items()}

    def _clip(self, clip_id: str, phase: int) -> Mapping[str, Posterior]:
        key = clip_id, phase
        if key not in self._clips:
            length = (self._store.n_frames(clip_id) - phase) // self._chunk * self._chunk
            whole = self._posteriors([Window(clip_id, phase, length)], CLIPWISE)
            self._clips[key] = {part: (mean[0], spread[0]) for part, (mean, spread) in whole.items()}
        return self._clips[key]

    def _posteriors(self, windows: Sequence[Window], parts: Sequence[str]) -> dict[str, Posterior]:
        features = self._windows.features_of(windows, parts)
        return {part: self._codecs.posterior(part, features[part]) for part in parts}
