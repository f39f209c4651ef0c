"""A speech of any length through overlapping windows, each beginning with the last four frames of the one before
(EMAGE, Liu et al. 2024, sec. 4.4).

Legend: B batch, S samples, T frames, M motion channels.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.methods.emage.config import FPS, SAMPLE_RATE, EmageConfig
from gesturebench.methods.emage.decoding import MotionDecoder
from gesturebench.methods.emage.hints import Hint, stacked
from gesturebench.methods.emage.network import AudioModel, Prediction, joined

RELEASED_SAMPLES_PER_FRAME = SAMPLE_RATE // FPS


@dataclass(frozen=True, eq=False)
class Told:
    """What the network is told of one speech: samples (S,) at 16 kHz, the speaker's row, and motion."""

    audio: Tensor
    speaker: int
    hint: Hint

    @property
    def frames(self) -> int:
        return speech_frames(len(self.audio))


def speech_frames(samples: int) -> int:
    """Whole frames of a speech."""
    return samples * FPS // SAMPLE_RATE


def samples_of(frames: int) -> int:
    """Whole samples of some frames; a frame has a third of a sample more than 533.

    >>> samples_of(64), samples_of(60)
    (34133, 32000)
    """
    return frames * SAMPLE_RATE // FPS


class Round(NamedTuple):
    """Frames [start, stop) are predicted, [start, end) of them are kept."""

    start: int
    stop: int
    end: int


def rounds(frames: int, config: EmageConfig) -> list[Round]:
    """Whole windows, a seed less than a window apart, and a shorter one for what remains after the last frame kept.

    >>> from gesturebench.methods.emage.config import PRESETS
    >>> whole = PRESETS["paper"]
    >>> released = whole.updated({"generation": {"tail": "released"}})
    >>> [round.end for round in rounds(129, whole)], [round.end for round in rounds(126, whole)]
    ([60, 120, 129], [60, 120, 126])
    >>> [round.end for round in rounds(129, released)], [round.end for round in rounds(126, released)]
    ([60, 120, 129], [60, 120])
    """
    network, whole_tail = config.network, config.generation.tail == "whole"
    seed, step = network.seed_frames, network.window - network.seed_frames
    count = max(0, frames - seed) // step
    plan = [Round(k * step, k * step + network.window, (k + 1) * step) for k in range(count)]
    remaining = frames - count * step
    if plan and whole_tail and remaining == seed:
        return [*plan[:-1], plan[-1]._replace(end=frames)]
    if remaining > (0 if whole_tail else 2 * seed):
        plan.append(Round(count * step, frames, frames))
    if not plan:
        shortest = 1 if whole_tail else 2 * seed + 1
        raise InputError(f"a speech of {frames} frames", expected=f"{shortest} or more", remedy="take a longer one")
    return plan


class _Track:
    """One speech on its way through its windows."""

    def __init__(self, told: Told, config: EmageConfig):
        self.told, self._exact = told, config.generation.audio_hop == "exact"
        self.rounds = rounds(told.frames, config)
        self._hint = told.hint.covering(told.frames)
        self.seed = self._hint.motion[:, : config.network.seed_frames]
        self.pieces: list[Prediction] = []
        self._earlier: list[tuple[int, Prediction]] = []

    def heard(self, k: int) -> Tensor:
        """(S,) the speech of the k-th window."""
        start, stop, _ = self.rounds[k]
        if self._exact:
            first = samples_of(start)
            return self.told.audio[first : first + samples_of(stop - start)]
        return self.told.audio[start * RELEASED_SAMPLES_PER_FRAME : stop * RELEASED_SAMPLES_PER_FRAME]

    def given(self, k: int) -> Hint:
        start, stop, _ = self.rounds[k]
        return self._hint.frames(start, stop).starting_with(self.seed)

    def add(self, piece: Prediction, seed: Tensor) -> None:
        start, stop, end = self.rounds[len(self.pieces)]
        self.pieces.append(piece.frames(0, end - start))
        self._earlier.append((end, piece.frames(end - start, stop - start)))
        self.seed = seed

    def prediction(self) -> Prediction:
        return replace(joined(self.pieces), earlier=tuple(self._earlier[:-1]))


@torch.no_grad()
def predict(model: AudioModel, decoder: MotionDecoder, told: Sequence[Told], config: EmageConfig) -> list[Prediction]:
    """Latents and logits of all frames of each speech, batch size one; `decoder` makes the seeds.

    The k-th windows of all speeches that have one go through the network together, those of other lengths apart.
    """
    tracks = [_Track(one, config) for one in told]
    for k in range(max((len(track.rounds) for track in tracks), default=0)):
        alike = defaultdict(list)
        for track in tracks:
            if k < len(track.rounds):
                alike[track.rounds[k].stop - track.rounds[k].start].append(track)
        for group in alike.values():
            _window(model, decoder, group, k)
    return [track.prediction() for track in tracks]


def _window(model: AudioModel, decoder: MotionDecoder, tracks: Sequence[_Track], k: int) -> None:
    """Predict the k-th window of speeches in which it is equally long."""
    where = model.mask_embedding.device
    hint = stacked([track.given(k) for track in tracks])
    speaker = torch.tensor([track.told.speaker for track in tracks], device=where)
    heard = model.hear(torch.stack([track.heard(k) for track in tracks]).to(where))
    pieces = model(heard, speaker, hint.motion.to(where), hint.hidden.to(where)).cpu()
    seeds = decoder.channels(pieces)[:, -model.config.seed_frames :]
    for row, track in enumerate(tracks):
        track.add(pieces.row(row), seeds[row : row + 1])
