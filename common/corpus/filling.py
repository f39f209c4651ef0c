"""Filling a clip store, one chunk of clips at a time: read, compute features, write to their place, leave a marker.

Where every clip lies is decided before the first one is read, so chunks can be filled in any order and by any process,
and a killed build goes on with the chunks that have no marker.
"""

import json
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.corpus.beat2 import Beat2Folder, Recording
from gesturebench.common.corpus.clip import BETA_DIM, Speech
from gesturebench.common.corpus.flat import FlatFile, allocate
from gesturebench.common.corpus.store import ANNOTATION_TYPES, MOTION_DIM, PCM_SCALE, encoded
from gesturebench.common.errors import InputError
from gesturebench.common.features.registry import FEATURES, Feature
from gesturebench.common.files import read_json, write_json, writing
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.speed import joint_speed_sum

CHUNK = 8
"""Clips that a killed build loses at most, per process."""
JOINTS, FACE, LINES, SPEED_SUM = "joints.npz", "face.npz", ("speech.jsonl", "truth.jsonl"), "speed_sum"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a clip lies in the flat files: its first frame and sample, and how many; the samples include the tail."""

    clip: int
    clip_id: str
    split: str
    frame: int
    n_frames: int
    sample: int
    n_samples: int
    measured: bool
    """Whether its joint speeds count for the corpus' mean speed."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Clips that are filled together, in their order."""

    number: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Filling:
    """What every chunk shares: the corpus, and the folder in which the half-filled store lies."""

    root: Path
    work: Path

    @cached_property
    def folder(self) -> Beat2Folder:
        return Beat2Folder(self.root)

    @cached_property
    def joints(self) -> JointModel:
        return JointModel.load(self.work / JOINTS)

    def lines(self, name: str, chunk: Chunk) -> Path:
        return self.work / "chunks" / f"{chunk.number:05d}.{name}"

    def marker(self, chunk: Chunk) -> Path:
        return self.work / "chunks" / f"{chunk.number:05d}.json"

    def rows(self, chunk: Chunk) -> list[dict[str, Any]]:
        """The index rows of a filled chunk; offsets into lines count from the chunk's own first line."""
        return read_json(self.marker(chunk))["rows"]


def offset_key(name: str) -> str:
    """The key of an index row that says where its line in `speech.jsonl` or `truth.jsonl` begins."""
    return f"{Path(name).stem}_at"


def allocate_all(work: Path, frames: int, samples: int, clips: int, sample_type: type) -> None:
    """The flat files of a store, empty."""
    allocate(work / "motion.npy", np.float32, (frames, MOTION_DIM))
    allocate(work / "audio.npy", sample_type, (samples,))
    allocate(work / "betas.npy", np.float32, (clips, BETA_DIM))
    for feature in FEATURES.values():
        allocate(work / "features" / f"{feature.name}.npy", np.float32, (frames, feature.dim))


def fill_chunk(filling: Filling, chunk: Chunk) -> int:
    """Fill one chunk, unless it is filled; returns how many clips it has. The marker comes last, the data is on the
    disk before it."""
    if not filling.marker(chunk).exists():
        with closing(_Writer(filling, chunk)) as writer:
            rows = [writer.add(place) for place in chunk.places]
        write_json(filling.marker(chunk), {"rows": rows})
    return len(chunk.places)


class _Writer:
    """The open files of a half-filled store, and the lines of one chunk."""

    def __init__(self, filling: Filling, chunk: Chunk):
        work = filling.work
        self.filling, self.chunk = filling, chunk
        self.motion, self.audio, self.betas = (FlatFile(work / f"{name}.npy") for name in ("motion", "audio", "betas"))
        self.features = {feature: FlatFile(work / "features" / f"{feature.name}.npy") for feature in FEATURES.values()}
        self.lines: dict[str, list[bytes]] = {name: [] for name in LINES}

    def add(self, place: Place) -> dict[str, Any]:
        """Write a clip to its place; returns its index row."""
        recording = _checked_record(self.filling.folder, place)
        speech, motion = recording.clip.speech, recording.clip.motion
        self.motion.write(place.frame, np.concatenate([motion.poses, motion.expressions, motion.trans], axis=1))
        self.audio.write(place.sample, _as_stored(np.concatenate([speech.audio, speech.tail]), self.audio.dtype))
        self.betas.write(place.clip, motion.betas[None])
        for feature, file in self.features.items():
            file.write(place.frame, _checked_rows(feature.compute(speech), feature, speech, motion.n_frames))
        row = _described(recording, place) | {offset_key(name): self._position(name) for name in LINES}
        self._line("speech.jsonl", {name: encoded(getattr(speech, name)) for name in ANNOTATION_TYPES})
        self._line("truth.jsonl", encoded(recording.truth))
        speed = joint_speed_sum(self.filling.joints, motion).tolist() if place.measured else None
        return row | {SPEED_SUM: speed}

    def _position(self, name: str) -> int:
        return sum(map(len, self.lines[name]))

    def _line(self, name: str, value: Any) -> None:
        self.lines[name].append(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        for name, lines in self.lines.items():
            with writing(self.filling.lines(name, self.chunk)) as part:
                part.write_bytes(b"".join(lines))
        for file in (self.motion, self.audio, self.betas, *self.features.values()):
            file.close()


def _checked_record(folder: Beat2Folder, place: Place) -> Recording:
    recording = folder.record(place.clip_id)
    speech, frames = recording.clip.speech, recording.clip.motion.n_frames
    found = frames, len(speech.audio) + len(speech.tail)
    if found != (place.n_frames, place.n_samples):
        raise InputError(
            f"{folder.root}: {place.clip_id} has {found[0]} frames and {found[1]} samples",
            expected=f"{place.n_frames} and {place.n_samples}, as its headers say",
            remedy="leave the corpus alone while it is read, and run the command again",
        )
    return recording


def _described(recording: Recording, place: Place) -> dict[str, Any]:
    speech, truth = recording.clip.speech, ["truth"] if recording.truth else []
    return {
        "id": speech.clip_id,
        "clip": place.clip,
        "split": place.split,
        "speaker": speech.speaker,
        "emotion": speech.emotion,
        "frame": place.frame,
        "n_frames": place.n_frames,
        "sample": place.sample,
        "n_samples": len(speech.audio),
        "n_tail": len(speech.tail),
        "dropped_frames": recording.dropped_frames,
        "dropped_s": round(recording.dropped_s, 4),
        "annotations": [name for name in ANNOTATION_TYPES if getattr(speech, name)] + truth,
    }


def _checked_rows(rows: np.ndarray, feature: Feature, speech: Speech, n_frames: int) -> np.ndarray:
    if rows.shape != (n_frames, feature.dim) or not np.isfinite(rows).all():
        raise InputError(
            f"feature {feature.name} of {speech.clip_id}: shape {rows.shape} or not finite",
            expected=f"({n_frames}, {feature.dim})",
        )
    return rows


def _as_stored(audio: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """PCM16 samples come back exactly: float32 holds k / 32768 without rounding."""
    return np.rint(audio / PCM_SCALE) if dtype == np.int16 else audio
