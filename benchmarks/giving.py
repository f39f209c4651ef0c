"""Generation under a protocol that gives poses: every scoring window is a speech of its own, with poses beside it.

Windows know nothing of each other, so what lies between two given poses is a method's own. A clip's file holds its
windows one after the other; frames after the last one repeat its last pose and are not scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gesturebench.common.corpus.clip import Clip, Motion, Speech
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.units import FPS, Unit
from gesturebench.common.progress import Progress
from gesturebench.methods.base import Control, Method


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of one clip: what is spoken in each, and what the method is given of it, if anything."""

    units: tuple[Unit, ...]
    speeches: tuple[Speech, ...]
    controls: tuple[Control | None, ...]

    @classmethod
    def of(
        cls, clip: Clip, protocol: Protocol, store: ClipStore, shown: Sequence[int], draw: int, *, giving: bool
    ) -> "Windows":
        """`shown` joints are given in all frames; the protocol's poses only if `giving`. `draw` is the run's seed."""
        units = protocol.cut.units(clip.id, clip.motion.n_frames)
        controls = (_control(clip, unit, protocol, store, shown, draw, giving) for unit in units)
        return cls(units, tuple(_spoken(clip, unit) for unit in units), tuple(controls))

    def generate(
        self, method: Method, seed: int, size: int, alive: Progress
    ) -> tuple[list[Motion], dict[str, Mapping[str, Any]]]:
        """A motion for each window, and by its id what the method says about it; `size` windows at a time."""
        motions: list[Motion] = []
        told: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(self.units), size):
            speeches, controls = self.speeches[start : start + size], self.controls[start : start + size]
            found = method.explain(speeches, seed=seed) or ()
            told |= {speech.clip_id: said for speech, said in zip(speeches, found)}
            given = None if all(control is None for control in controls) else list(controls)
            made = method.generate(speeches, seed=seed, control=given, batch_size=size, progress=alive)
            motions += [_checked(*both, method.name) for both in zip(made, self.units[start:], strict=False)]
        return motions, told


def joined(motions: Sequence[Motion], n_frames: int) -> Motion:
    """Windows one after the other, then the last frame until there are `n_frames`."""
    rest = n_frames - sum(motion.n_frames for motion in motions)
    arrays = {}
    for name in ("poses", "expressions", "trans"):
        parts = [getattr(motion, name) for motion in motions]
        arrays[name] = np.concatenate([*parts, np.repeat(parts[-1][-1:], rest, axis=0)])
    return replace(motions[0], **arrays)


def _spoken(clip: Clip, unit: Unit) -> Speech:
    """The window's speech under the window's name, which makes its sample another than that of its neighbours."""
    return replace(clip.speech.cut(unit.start, unit.stop, FPS), clip_id=unit.id)


def _control(
    clip: Clip, unit: Unit, protocol: Protocol, store: ClipStore, shown: Sequence[int], draw: int, giving: bool
) -> Control | None:
    motion = clip.motion.cut(unit.start, unit.stop)
    if giving:
        found = protocol.given.shown(unit, motion, store, draw)
        return Control(found.motion, found.mask | Control.of(motion, shown).mask)
    return Control.of(motion, shown) if shown else None


def _checked(motion: Motion, unit: Unit, name: str) -> Motion:
    frames = unit.stop - unit.start
    source = f"{name} for window {unit.id}"
    if motion.checked(source).n_frames != frames:
        raise RuntimeError(f"{source}: {motion.n_frames} frames for a window of {frames}")
    return motion
