"""Random windows of the training split, as a training step of the denoiser reads them."""

import torch
from torch import Tensor

from gesturebench.common.corpus.names import ClipName
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import RandomWindows
from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.diffusion import STEPS
from gesturebench.common.cross_local.speech import CorpusSpeech
from gesturebench.common.cross_local.styles import style_of
from gesturebench.common.cross_local.training_poses import SPLIT, TrainingPoses
from gesturebench.common.training import Batch


class Drawing:
    """Motion, speech and style of windows, and what is drawn beside them."""

    def __init__(
        self, sizes: CrossLocalSizes, styles: int, store: ClipStore, poses: TrainingPoses, speech: CorpusSpeech
    ):
        self._sizes, self._styles, self._poses, self._speech = sizes, styles, poses, speech
        self._windows = RandomWindows(store, SPLIT, sizes.frames)

    def motion(self, rows: int, generator: torch.Generator) -> Tensor:
        """(N, F) all frames of random windows."""
        return torch.cat([self._poses.window(window) for window in self._windows.draw(rows, generator)])

    def batch(self, rows: int, generator: torch.Generator) -> Batch:
        """`x0` (B, T, F), `audio` (B, T, A), `style` (B, S), and of every row its timestep `t`, its `noise` and whether
        style and seed are dropped."""
        windows, drop = self._windows.draw(rows, generator), self._sizes.drop
        x0 = torch.stack([self._poses.window(window) for window in windows])
        speakers = [ClipName.parse(window.clip_id).speaker for window in windows]
        return {
            "x0": x0,
            "audio": self._speech.batch(windows),
            "style": torch.stack([style_of(speaker, self._styles) for speaker in speakers]),
            "t": torch.randint(STEPS, (rows,), generator=generator),
            "noise": torch.randn(x0.shape, generator=generator),
            "drop_style": torch.rand(rows, generator=generator) < drop,
            "drop_seed": torch.rand(rows, generator=generator) < drop,
        }
