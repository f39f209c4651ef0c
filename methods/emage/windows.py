"""Which windows a speech goes through: each begins with frames of the one before.

Frames at 30 per second, samples at 16 kHz.
"""

from dataclasses import dataclass

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.cutting import RELEASED_SAMPLES_PER_FRAME
from gesturebench.common.errors import InputError
from gesturebench.methods.emage.config import FPS, EmageConfig


@dataclass(frozen=True)
class Plan:
    """`windows` [start, stop), of which each begins with the last `overlap` frames of the one before; the first
    `frames` of all that they cover are kept."""

    windows: tuple[tuple[int, int], ...]
    overlap: int
    frames: int

    def seeds(self, k: int) -> int:
        """The frame of the k-th window with which the next one starts."""
        return self.windows[k + 1][0] - self.windows[k][0]


def planned(frames: int, config: EmageConfig) -> Plan:
    """As many whole windows as fit, and a shorter one for what remains.

    >>> from gesturebench.methods.emage.config import PRESETS
    >>> paper = PRESETS["paper"]
    >>> planned(129, paper)
    Plan(windows=((0, 64), (48, 112), (96, 129)), overlap=16, frames=129)
    >>> released = paper.updated({"generation": {"seams": "released", "tail": "released"}})
    >>> planned(129, released).windows
    ((0, 64), (60, 124), (120, 129))
    >>> planned(126, released)
    Plan(windows=((0, 64), (60, 124)), overlap=4, frames=120)
    """
    network, generation = config.network, config.generation
    overlap = network.seed_frames if generation.seams == "released" else generation.overlap
    step = network.window - overlap
    count = max(0, frames - overlap) // step
    windows = [(k * step, k * step + network.window) for k in range(count)]
    left_out = 0 if generation.tail == "whole" else network.seed_frames * (1 if windows else 2)
    if frames - (windows[-1][1] if windows else 0) > left_out:
        windows.append((count * step, frames))
    if not windows:
        least = f"{left_out + 1} or more"
        raise InputError(f"a speech of {frames} frames", expected=least, remedy="take a longer one")
    is_cut = generation.tail == "released" and len(windows) == count
    return Plan(tuple(windows), overlap, count * step if is_cut else frames)


def speech_frames(samples: int) -> int:
    """Whole frames of a speech."""
    return samples * FPS // SAMPLE_RATE


def samples_of(frames: int) -> int:
    """Whole samples of some frames; a frame has a third of a sample more than 533.

    >>> samples_of(64), samples_of(60)
    (34133, 32000)
    """
    return frames * SAMPLE_RATE // FPS


def heard_samples(start: int, stop: int, hop: str) -> tuple[int, int]:
    """(first, last exclusive) samples that the window of frames [start, stop) hears.

    >>> heard_samples(1800, 1864, "exact"), heard_samples(1800, 1864, "released")
    ((960000, 994133), (959400, 993512))
    """
    if hop == "released":
        return start * RELEASED_SAMPLES_PER_FRAME, stop * RELEASED_SAMPLES_PER_FRAME
    first = samples_of(start)
    return first, first + samples_of(stop - start)
