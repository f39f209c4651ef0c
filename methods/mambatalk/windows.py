"""Which windows a speech goes through: each begins with frames of the one before.

Frames at 30 per second, samples at 16 kHz.
"""

from dataclasses import dataclass
from math import ceil

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.cutting import RELEASED_SAMPLES_PER_FRAME
from gesturebench.common.errors import InputError
from gesturebench.methods.mambatalk.config import GenerationConfig, NetworkConfig

FPS = 30
RELEASED_UNIT = 8
"""Released code leaves out what is more than a multiple of so many frames, before it lays out windows."""


@dataclass(frozen=True)
class Plan:
    """Windows start at multiples of `step` frames; `frames` of what they cover are kept."""

    windows: int
    frames: int
    step: int

    def start(self, k: int) -> int:
        return k * self.step


def shared_frames(network: NetworkConfig, generation: GenerationConfig) -> int:
    """How many frames a window shares with the next, which is given the first of them."""
    return network.seed_frames if generation.seams == "released" else generation.overlap


def planned(frames: int, network: NetworkConfig, generation: GenerationConfig) -> Plan:
    """The windows of a speech of `frames` frames.

    >>> blended, released = GenerationConfig(), GenerationConfig(seams="released", tail="released")
    >>> planned(64, NetworkConfig(), released), planned(221, NetworkConfig(), released)
    (Plan(windows=1, frames=64, step=60), Plan(windows=3, frames=184, step=60))
    >>> planned(221, NetworkConfig(), blended), planned(1, NetworkConfig(), blended)
    (Plan(windows=4, frames=221, step=56), Plan(windows=1, frames=1, step=56))
    """
    shared = shared_frames(network, generation)
    step = network.window - shared
    if generation.tail == "whole":
        return Plan(max(1, ceil((frames - shared) / step)), frames, step)
    windows = (frames - frames % RELEASED_UNIT - shared) // step
    if windows < 1:
        raise InputError(
            f"a speech of {frames} frames",
            expected=f"{network.window} or more where frames behind the last whole window are left out",
            remedy="take a longer one, or set generation.tail=whole",
        )
    return Plan(windows, windows * step + shared, step)


def heard_samples(start: int, network: NetworkConfig, hop: str) -> tuple[int, int]:
    """(first, last exclusive) samples that the window from frame `start` hears.

    >>> heard_samples(1800, NetworkConfig(), "exact"), heard_samples(1800, NetworkConfig(), "released")
    ((960000, 994133), (959400, 993512))
    """
    if hop == "released":
        return start * RELEASED_SAMPLES_PER_FRAME, (start + network.window) * RELEASED_SAMPLES_PER_FRAME
    first = start * SAMPLE_RATE // FPS
    return first, first + network.window * SAMPLE_RATE // FPS


def grouped(windows: int, most: int) -> list[range]:
    """Windows in a row, a few at a time: the first groups are small, so that what waits for them can begin.

    >>> grouped(19, 8)
    [range(0, 2), range(2, 6), range(6, 14), range(14, 19)]
    """
    groups, size = [range(min(2, most, windows))], 2
    while groups[-1].stop < windows:
        size = min(2 * size, most)
        groups.append(range(groups[-1].stop, min(groups[-1].stop + size, windows)))
    return groups
