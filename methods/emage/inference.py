"""A speech of any length through overlapping windows, each beginning with four frames that the one before decoded
(EMAGE, Liu et al. 2024, sec. 4.4).

Legend: B batch, S samples, T frames, N frames of a seed, M motion channels.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gesturebench.methods.emage.config import EmageConfig
from gesturebench.methods.emage.decoding import MotionDecoder, Predicted
from gesturebench.methods.emage.hints import Hint, stacked
from gesturebench.methods.emage.network import AudioModel, Prediction
from gesturebench.methods.emage.windows import heard_samples, planned, speech_frames


@dataclass(frozen=True, eq=False)
class Told:
    """What the network is told of one speech: samples (S,) at 16 kHz, the speaker's row, and motion."""

    audio: Tensor
    speaker: int
    hint: Hint

    @property
    def frames(self) -> int:
        return speech_frames(len(self.audio))


class _Track:
    """One speech on its way through its windows."""

    def __init__(self, told: Told, config: EmageConfig):
        self.told, self._hop = told, config.generation.audio_hop
        self.plan = planned(told.frames, config)
        self._hint = told.hint.covering(told.frames)
        self._seed = self._hint.motion[:, : config.network.seed_frames]
        self._windows: list[Prediction] = []

    @property
    def windows(self) -> int:
        return len(self.plan.windows)

    def length(self, k: int) -> int:
        start, stop = self.plan.windows[k]
        return stop - start

    def heard(self, k: int) -> Tensor:
        """(S,) the speech of the k-th window."""
        first, last = heard_samples(*self.plan.windows[k], self._hop)
        return self.told.audio[first:last]

    def given(self, k: int) -> Hint:
        return self._hint.frames(*self.plan.windows[k]).starting_with(self._seed)

    def add(self, window: Prediction, motion_1TM: Tensor) -> None:
        """The next window, and it decoded: what the one behind it shares with it begins with its seed."""
        k, frames = len(self._windows), self._seed.shape[1]
        self._windows.append(window)
        if k + 1 < self.windows:
            first = self.plan.seeds(k)
            self._seed = motion_1TM[:, first : first + frames]

    def predicted(self) -> Predicted:
        return Predicted(tuple(self._windows), self.plan.overlap, self.plan.frames)


@torch.no_grad()
def predict(
    model: AudioModel,
    decoder: MotionDecoder,
    told: Sequence[Told],
    config: EmageConfig,
    alive: Callable[[], None] = lambda: None,
) -> list[Predicted]:
    """Every window of each speech; `decoder` makes the seeds, `alive` is called between windows.

    The k-th windows of all speeches that have one go through the network together, those of other lengths apart.
    """
    tracks = [_Track(one, config) for one in told]
    for k in range(max((track.windows for track in tracks), default=0)):
        for alike in _by_length([track for track in tracks if k < track.windows], k):
            _window(model, decoder, alike, k)
            alive()
    return [track.predicted() for track in tracks]


def _by_length(tracks: Sequence[_Track], k: int) -> Iterable[list[_Track]]:
    """Those whose k-th windows are equally long."""
    alike = defaultdict(list)
    for track in tracks:
        alike[track.length(k)].append(track)
    return alike.values()


def _window(model: AudioModel, decoder: MotionDecoder, tracks: Sequence[_Track], k: int) -> None:
    """Predict the k-th window of speeches in which it is equally long."""
    where = model.mask_embedding.device
    hint = stacked([track.given(k) for track in tracks])
    speaker = torch.tensor([track.told.speaker for track in tracks], device=where)
    heard = model.hear(torch.stack([track.heard(k) for track in tracks]).to(where))
    windows = model(heard, speaker, hint.motion.to(where), hint.hidden.to(where)).cpu()
    motion = decoder.channels(windows)
    for row, track in enumerate(tracks):
        track.add(windows.row(row), motion[row : row + 1])
