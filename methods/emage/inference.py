"""A speech of any length through overlapping windows, each beginning with the last four frames of the one before
(EMAGE, Liu et al. 2024, sec. 4.4).

Legend: B batch, S samples, T frames, M motion channels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.methods.emage.config import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, EmageConfig
from gesturebench.methods.emage.decoding import MotionDecoder, motion_channels
from gesturebench.methods.emage.network import AudioModel, Prediction, joined


@dataclass(frozen=True, eq=False)
class Hint:
    """Motion (B, T, M) that is given, and where it is `hidden` (B, T, M) bool. The network takes it as a wish: what it
    returns there is decoded from codes like everything else."""

    motion: Tensor
    hidden: Tensor

    @classmethod
    def nothing(cls, batch: int, frames: int) -> "Hint":
        """Rest pose at the origin, all of it hidden; the first window starts from it."""
        motion = motion_channels(torch.zeros(batch, frames, 165), torch.zeros(batch, frames, 7))
        return cls(motion, torch.ones_like(motion, dtype=torch.bool))

    @classmethod
    def seed(cls, motion_BTM: Tensor) -> "Hint":
        """A motion whose first frames the first window starts from; nothing else of it is given."""
        return cls(motion_BTM, torch.ones_like(motion_BTM, dtype=torch.bool))

    def covering(self, frames: int) -> "Hint":
        """Cut, or followed by frames where nothing is given."""
        beyond = Hint.nothing(len(self.motion), max(0, frames - self.motion.shape[1]))
        motion, hidden = torch.cat((self.motion, beyond.motion), 1), torch.cat((self.hidden, beyond.hidden), 1)
        return Hint(motion, hidden).frames(0, frames)

    def frames(self, start: int, stop: int) -> "Hint":
        return Hint(self.motion[:, start:stop], self.hidden[:, start:stop])

    def starting_with(self, seed_BNM: Tensor) -> "Hint":
        """The seed where nothing is given in its frames; they are all visible then."""
        motion, hidden, n = self.motion.clone(), self.hidden.clone(), seed_BNM.shape[1]
        motion[:, :n] = torch.where(hidden[:, :n], seed_BNM, motion[:, :n])
        hidden[:, :n] = False
        return Hint(motion, hidden)


def speech_frames(samples: int) -> int:
    """Whole frames of a speech."""
    return samples * FPS // SAMPLE_RATE


class Round(NamedTuple):
    """Frames [start, stop) are predicted, [start, end) of them are kept."""

    start: int
    stop: int
    end: int


def rounds(frames: int, config: EmageConfig) -> list[Round]:
    """Whole windows, a seed less than a window apart, and a shorter one for what remains after the last frame kept.

    >>> whole, released = EmageConfig(), EmageConfig(tail="released")
    >>> [round.end for round in rounds(129, whole)], [round.end for round in rounds(126, whole)]
    ([60, 120, 129], [60, 120, 126])
    >>> [round.end for round in rounds(129, released)], [round.end for round in rounds(126, released)]
    ([60, 120, 129], [60, 120])
    """
    seed, step, whole_tail = config.seed_frames, config.window - config.seed_frames, config.tail == "whole"
    count = max(0, frames - seed) // step
    plan = [Round(k * step, k * step + config.window, (k + 1) * step) for k in range(count)]
    remaining = frames - count * step
    if plan and whole_tail and remaining == seed:
        return [*plan[:-1], plan[-1]._replace(end=frames)]
    if remaining > (0 if whole_tail else 2 * seed):
        plan.append(Round(count * step, frames, frames))
    if not plan:
        shortest = 1 if whole_tail else 2 * seed + 1
        raise InputError(f"a speech of {frames} frames", expected=f"{shortest} or more", remedy="take a longer one")
    return plan


@torch.no_grad()
def predict(
    model: AudioModel, decoder: MotionDecoder, audio_BS: Tensor, speaker_B: Tensor, hint: Hint | None = None
) -> Prediction:
    """Latents and logits of all frames of a batch of equally long speeches (16 kHz); `decoder` makes the seeds.

    As published, the speech of a window starts at 533 samples per frame, a third of a sample too few: after a minute
    the network hears 37 ms too early.
    """
    frames = speech_frames(audio_BS.shape[-1])
    hint = (hint or Hint.nothing(len(audio_BS), frames)).covering(frames)
    config, pieces = model.config, []
    seed = hint.motion[:, : config.seed_frames]
    for start, stop, end in rounds(frames, config):
        given = hint.frames(start, stop).starting_with(seed)
        heard = audio_BS[:, start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        piece = model(heard, speaker_B, given.motion, given.hidden)
        seed = decoder.channels(piece)[:, -config.seed_frames :]
        pieces.append(piece.frames(0, end - start))
    return joined(pieces)
