"""What the step `generate` does: motions of clips in batches, or window by window where a protocol gives poses."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturebench.benchmarks.giving import Windows, joined
from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.state import EXPLAINED, MOTIONS
from gesturebench.common.corpus.clip import Clip, Speech
from gesturebench.common.corpus.protocol import Protocol
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.common.motion.export import save_motion
from gesturebench.common.progress import Progress
from gesturebench.methods.base import Control, Method
from gesturebench.methods.registry import get_method

BATCH = 12
"""Clips generated together. A sample does not depend on it; a killed generation loses at most this many."""


@dataclass(frozen=True, eq=False)
class Generating:
    """A method at work on the `clips` of a protocol, given the true motion of the joints `shown`. Files appear in
    `folder` clip by clip."""

    method: Method
    shown: tuple[int, ...]
    protocol: Protocol
    clips: tuple[str, ...]
    store: ClipStore
    job: Job
    folder: Path

    @classmethod
    def of(cls, job: Job, protocol: Protocol) -> "Generating":
        store, kind = ClipStore.open(job.inputs["store"]), get_method(job.spec["method"])
        config = kind.Config.parse(dict(job.spec["config"]))
        method = kind.load(config, {name: path for name, path in job.inputs.items() if name != "store"}, store)
        folder = job.work / MOTIONS
        folder.mkdir(exist_ok=True)
        return cls(method, kind.shown(config), protocol, protocol.clips(store), store, job, folder)

    def all(self, progress: Progress) -> dict[str, Any]:
        """Every clip that has no file yet. Returns what these cost: seconds, frames, evaluations of the network."""
        seconds, made, total = 0.0, 0, len(self.clips)
        size = max(1, BATCH // self.job.batch_divisor)
        step = size if self.protocol.given is None else 1
        progress(0, total)
        for start in range(0, total, step):
            batch, alive = self.clips[start : start + step], _within(progress, start, total)
            if not all((self.folder / f"{i}.npz").exists() for i in batch):
                seconds += self._whole(batch, alive) if step == size else self._windows(batch[0], size, alive)
                made += sum(self.store.n_frames(i) for i in batch)
            progress(min(start + step, total), total)
        return {"seconds": round(seconds, 3), "frames": made, "evaluations": self.method.evaluations()}

    def _whole(self, clips: Sequence[str], alive: Progress) -> float:
        """Write the motions of a few clips; `alive` hears that work goes on, and may stop it. Returns the seconds that
        the method took."""
        speeches = [self._speech(i) for i in clips]
        control = [Control.of(self.store.motion(i), self.shown) for i in clips] if self.shown else None
        for speech, told in zip(speeches, self.method.explain(speeches, seed=self._seed) or ()):
            self._tell(speech.clip_id, told)
        began = time.perf_counter()
        motions = self.method.generate(
            speeches, seed=self._seed, control=control, batch_size=len(speeches), progress=alive
        )
        seconds = time.perf_counter() - began
        for clip_id, motion in zip(clips, motions, strict=True):
            source = f"{self.method.name} for clip {clip_id}"
            if motion.checked(source).n_frames != self.store.n_frames(clip_id):
                raise RuntimeError(f"{source}: {motion.n_frames} frames for a clip of {self.store.n_frames(clip_id)}")
            save_motion(self.folder / f"{clip_id}.npz", motion)
        return seconds

    def _windows(self, clip_id: str, size: int, alive: Progress) -> float:
        """Write the motion of a clip whose windows are generated alone, `size` at a time, with the poses that the
        protocol gives; a clip that holds no window is not scored, and has none."""
        giving = self.method.control == "keyframes" and self.job.spec.get("given", True)
        clip = Clip(clip_id, self._speech(clip_id), self.store.motion(clip_id))
        windows = Windows.of(clip, self.protocol, self.store, self.shown, self._seed, giving=giving)
        if not windows.units:
            return 0.0
        began = time.perf_counter()
        motions, told = windows.generate(self.method, self._seed, size, alive)
        seconds = time.perf_counter() - began
        if told:
            self._tell(clip_id, told)
        save_motion(self.folder / f"{clip_id}.npz", joined(motions, clip.motion.n_frames))
        return seconds

    @property
    def _seed(self) -> int:
        return self.job.spec["seed"]

    def _speech(self, clip_id: str) -> Speech:
        """Refused without an annotation that the method cannot do without."""
        reads_truth = self.job.spec["query"] == "oracle" and not self.shown
        speech = self.store.speech(clip_id, oracle=reads_truth)
        missing = next((name for name in sorted(self.method.requires) if not getattr(speech, name)), None)
        if missing:
            raise InputError(
                f"clip {clip_id} has no {missing}",
                expected=f"{missing}, which method {self.method.name!r} requires",
                remedy="add the annotation",
            )
        return speech

    def _tell(self, clip_id: str, told: Mapping[str, Any]) -> None:
        """What the method says about a clip, before the motion that says the clip is done."""
        (self.job.work / EXPLAINED).mkdir(exist_ok=True)
        write_json(self.job.work / EXPLAINED / f"{clip_id}.json", told)


def _within(progress: Progress, done: int, total: int) -> Progress:
    """Progress of a batch as that of the whole: it may be stopped before its end, not at it, where it is written."""

    def alive(part: int, parts: int) -> None:
        if part < parts:
            progress(done, total)

    return alive
