"""One speech on its way through its windows: what the next window continues, and the motion that is finished."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.windows import Window
from gesturebench.common.motion.parts import motion_from_six
from gesturebench.common.motion.resample import upsample
from gesturebench.common.motion.seams import Frames, Joined, window_starts
from gesturebench.common.retrieval.database import STORE_FPS
from gesturebench.methods.rag_gesture.conditions import SpeechConditions
from gesturebench.methods.rag_gesture.config import RagGestureConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions


class Track:
    """Windows are asked for and added in order. Beside the finished motion a track holds one window at most, however
    long the speech is.

    `starts` frames of the codec's rate at which windows begin, `latest` latents (T, L) of the last one added.
    """

    def __init__(self, speech: Speech, config: RagGestureConfig, betas: np.ndarray):
        codec = config.codec
        self.speech, self._betas, self._fps = speech, betas, codec.fps
        self._step, self._length = STORE_FPS // codec.fps, codec.frames
        self._told = SpeechConditions(speech, config.conditions)
        total = max(1, -(-speech.n_frames(STORE_FPS) // self._step))
        self.starts = window_starts(total, codec.frames, config.overlap)
        self.latest: Tensor | None = None
        self._joined = Joined(config.overlap, anchored=config.seams == "anchored")
        self._last: Frames | None = None
        self._finished: list[Motion] = []

    def window(self, k: int) -> Window:
        """The k-th window in the frames of the store; it may reach past the end of the speech."""
        return Window(self.speech.clip_id, self.starts[k] * self._step, self._length * self._step)

    def told(self, k: int) -> Conditions:
        """What the denoiser is told about the k-th window, batch size one."""
        window = self.window(k)
        return self._told.window(window.start, window.length)

    def add(self, latents_TL: Tensor, frames: Frames) -> None:
        self.latest = latents_TL.clone()
        self._finish(self._joined.add(frames))

    def motion(self) -> Motion:
        """All that was added, at 30 fps, cut to the length of the speech."""
        self._finish(self._joined.rest(), is_end=True)
        whole = {
            name: np.concatenate([getattr(piece, name) for piece in self._finished])
            for name in ("poses", "expressions", "trans")
        }
        return replace(self._finished[0], **whole).cut(0, self.speech.n_frames(STORE_FPS))

    def _finish(self, frames: Frames, is_end: bool = False) -> None:
        """Turn frames into motion at 30 fps. The last one waits: what lies between it and the next is not known yet."""
        if self._last is not None:
            frames = tuple(torch.cat(both) for both in zip(self._last, frames, strict=True))
        self._last = tuple(part[-1:] for part in frames)
        piece = upsample(motion_from_six(*frames, self._betas, self._fps), STORE_FPS)
        self._finished.append(piece if is_end else piece.cut(0, piece.n_frames - self._step))
