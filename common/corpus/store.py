"""The clip store: every clip once, in a few flat files that are memory-mapped; windows are views of them.

Layout of the folder (T all frames, S all samples, in the order of `index.json`):
motion.npy (T, 268) float32 = poses 165, expressions 100, trans 3; audio.npy (S,) int16 or float32, of each clip the
speech and then its tail; betas.npy (clips, 300); speech.jsonl annotations; truth.jsonl what the stand-in really did;
joints.npz and face.npz of the body model; mean_speed.npy; features/<name>.npy (T, dim); index.json, written last: a
folder that has it is whole.
"""

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.corpus.beat2 import FPS
from gesturebench.common.corpus.clip import (
    BETA_DIM,
    EXPRESSION_DIM,
    POSE_DIM,
    SAMPLE_RATE,
    Clip,
    GestureLabel,
    Motion,
    ProminentWord,
    Relation,
    Speech,
    TruthEvent,
    Word,
)  # fmt: skip
from gesturebench.common.corpus.fingerprint import VOCABULARY, WORD_LIST
from gesturebench.common.corpus.splits import SPLIT_TABLE, chosen_split
from gesturebench.common.corpus.vocabulary import Vocabulary
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.features.registry import FEATURES, feature_named
from gesturebench.common.files import read_json
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.progress import Progress, silent

MOTION_DIM = POSE_DIM + EXPRESSION_DIM + 3
LAYOUT = 2
INDEX = "index.json"
ANNOTATION_TYPES = {
    "words": Word,
    "phones": Word,
    "relations": Relation,
    "labels": GestureLabel,
    "prominence": ProminentWord,
    "transcript": Word,
    "tokens": Word,
}
PCM_SCALE = np.float32(1 / 32768)
_REMEDY = "delete the store's folder and run the command that made it again"


def build_store(
    root: Path,
    out: Path,
    *,
    body: Path | None = None,
    cache: Path | None = None,
    work: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> None:
    """Read the corpus folder `root` into the store folder `out`.

    `body` is an SMPL-X npz (default: see `body_model_path`), `cache` a JSON file that remembers file hashes between
    runs (see `fingerprint`). The half-filled store lies in `work` (default: inside `out`); a build that was killed goes
    on from there, and its bytes depend neither on that nor on the number of `workers`. The first clip that cannot be
    read stops the build with an `InputError` that names it.
    """
    from gesturebench.common.corpus.build import fill

    fill(root, out, body, cache, work, workers, progress)


def store_version() -> str:
    """What a store depends on beside the data: its layout and the version of every feature."""
    return "-".join([f"layout{LAYOUT}", *(f"{f.name}{f.version}" for f in FEATURES.values())])


class ClipStore:
    """Read access to a prepared corpus: cheap to open and to pickle (as a path), safe in many processes."""

    def __init__(self, path: Path, index: dict[str, Any]):
        self.path = path
        self.info: dict[str, Any] = index["info"]
        self._rows: dict[str, dict[str, Any]] = {row["id"]: row for row in index["clips"]}
        self._split_order: list[str] = index["split_order"]
        self.fingerprint: str = self.info["fingerprint"]
        self.is_standin: bool = self.info["is_standin"]
        self.has_truth: bool = self.info["has_truth"]
        self.ids: tuple[str, ...] = tuple(self._rows)

    @classmethod
    def open(cls, path: Path) -> "ClipStore":
        """The store in folder `path`; an incomplete, outdated or damaged one is an `InputError`."""
        path = Path(path)
        if not (path / INDEX).exists():
            raise InputError(f"{path}: not a whole clip store ({INDEX} is missing)", remedy=_REMEDY)
        index = read_json(path / INDEX)
        if not isinstance(index, dict) or "info" not in index:
            raise InputError(f"{path / INDEX}: damaged", expected="the index of a clip store", remedy=_REMEDY)
        info = index["info"]
        if info.get("version") != store_version():
            raise InputError(
                f"{path}: made by version {info.get('version')}",
                expected=store_version(),
                remedy=_REMEDY,
            )
        store = cls(path, index)
        store._refuse_damage()
        return store

    def __reduce__(self):
        return ClipStore.open, (self.path,)

    def split(self, name: str) -> tuple[str, ...]:
        """Clip ids of `train`, `val`, `test` or `additional`, in the order of the corpus."""
        return chosen_split(
            {i: self._rows[i]["split"] for i in self._split_order}, name, Path(self.info["source"]) / SPLIT_TABLE
        )

    def n_frames(self, clip_id: str) -> int:
        return self._row(clip_id)["n_frames"]

    def clip(self, clip_id: str) -> Clip:
        return Clip(clip_id, self.speech(clip_id), self.motion(clip_id))

    def motion(self, clip_id: str) -> Motion:
        """Read-only views of the memory map."""
        return motion_of(self._motion, self._betas, self._row(clip_id))

    def window(self, clip_id: str, start: int, length: int) -> tuple[Motion, np.ndarray]:
        """Motion frames [start, start + length) and their audio as `Clip.cut` takes it; annotations stay unread.

        The motion is views of the memory map, so nothing is read before it is used.
        """
        row = self._row(clip_id)
        if not 0 <= start < start + length <= row["n_frames"]:
            raise InputError(
                f"clip {clip_id}: a window of {length} frames from frame {start}",
                expected=f"at least one frame, all inside 0 to {row['n_frames']}",
            )
        motion = motion_of(self._motion, self._betas, row, start, length)
        first, samples = floor(start * SAMPLE_RATE / FPS), ceil(length * SAMPLE_RATE / FPS)
        return motion, self._sound(row["sample"] + first, samples)

    def has(self, annotation: str, clip_id: str) -> bool:
        """Whether a clip has `words`, `labels` ...; a clip of the store always has audio."""
        if annotation not in (*ANNOTATION_TYPES, "truth"):
            raise unknown_name("annotation", annotation, (*ANNOTATION_TYPES, "truth"))
        return annotation in self._row(clip_id)["annotations"]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The corpus' own vocabulary, `vocab.pkl` or `vocab.json`."""
        places = [self.path / name for name in (VOCABULARY, WORD_LIST)]
        return Vocabulary.load(next((place for place in places if place.exists()), places[0]))

    def speech(self, clip_id: str, *, oracle: bool = False) -> Speech:
        """The clip's speech; with `oracle`, also what its gestures really were (for rows that declare it)."""
        row = self._row(clip_id)
        sound = self._sound(row["sample"], row["n_samples"] + row["n_tail"])
        audio, tail = sound[: row["n_samples"]], sound[row["n_samples"] :]
        line = _line(self.path / "speech.jsonl", row["speech_at"])
        annotations = {name: _decoded(kind, line.get(name, ())) for name, kind in ANNOTATION_TYPES.items()}
        events = self.truth(clip_id) if oracle else ()
        return Speech(clip_id, audio, row["speaker"], row["emotion"], **annotations, oracle=events, tail=tail)

    def truth(self, clip_id: str) -> tuple[TruthEvent, ...]:
        """The gestures the stand-in generator made in this clip."""
        if not self.has_truth:
            raise InputError(
                f"{self.info['source']}: the corpus has no truth",
                expected="the stand-in corpus",
                remedy="leave oracle rows and oracle metrics out",
            )
        return _decoded(TruthEvent, _line(self.path / "truth.jsonl", self._row(clip_id)["truth_at"]))

    def feature(self, name: str, clip_id: str) -> np.ndarray:
        """(n_frames, dim) float32 rows of a registered speech feature, a read-only view."""
        row = self._row(clip_id)
        return self._feature(name)[row["frame"] : row["frame"] + row["n_frames"]]

    @cached_property
    def joints(self) -> JointModel:
        path = self.path / "joints.npz"
        try:
            return JointModel.load(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(path, error) from error

    @cached_property
    def face(self) -> FaceModel:
        path = self.path / "face.npz"
        try:
            return FaceModel.load(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(path, error) from error

    @cached_property
    def mean_speed(self) -> np.ndarray:
        """(55,) mean speed of each joint in m/s, by which beat consistency scales its threshold."""
        return np.load(self.path / "mean_speed.npy")

    def _sound(self, first: int, count: int) -> np.ndarray:
        """Samples as float32; PCM16 comes back exactly."""
        samples = self._audio[first : first + count]
        return samples * PCM_SCALE if samples.dtype == np.int16 else samples

    def _row(self, clip_id: str) -> dict[str, Any]:
        if clip_id not in self._rows:
            raise unknown_name("clip", clip_id, self.ids)
        return self._rows[clip_id]

    @cached_property
    def _motion(self) -> np.ndarray:
        return _mapped(self.path / "motion.npy")

    @cached_property
    def _audio(self) -> np.ndarray:
        return _mapped(self.path / "audio.npy")

    @cached_property
    def _betas(self) -> np.ndarray:
        return _mapped(self.path / "betas.npy")

    def _feature(self, name: str) -> np.ndarray:
        return self._features.setdefault(name, _mapped(self.path / "features" / f"{feature_named(name).name}.npy"))

    @cached_property
    def _features(self) -> dict[str, np.ndarray]:
        return {}

    def _refuse_damage(self) -> None:
        frames, samples = self.info["n_frames"], self.info["n_samples"]
        expected = {"motion.npy": (frames, MOTION_DIM), "audio.npy": (samples,), "betas.npy": (len(self.ids), BETA_DIM)}
        expected |= {f"features/{f.name}.npy": (frames, f.dim) for f in FEATURES.values()}
        for name, shape in expected.items():
            found = _mapped(self.path / name).shape
            if found != shape:
                raise InputError(f"{self.path / name}: shape {found}", expected=str(shape), remedy=_REMEDY)
        needed = ["speech.jsonl", "joints.npz", "face.npz", "mean_speed.npy"] + ["truth.jsonl"] * self.has_truth
        for name in needed:
            if not (self.path / name).exists():
                raise InputError(f"{self.path / name}: no such file", expected="a whole clip store", remedy=_REMEDY)


def motion_of(
    motion: np.ndarray, betas: np.ndarray, row: Mapping[str, int], start: int = 0, length: int | None = None
) -> Motion:
    """The motion of one index row, or `length` frames of it from `start`, as views of the flat arrays."""
    first = row["frame"] + start
    frames = motion[first : first + (row["n_frames"] - start if length is None else length)]
    face = POSE_DIM + EXPRESSION_DIM
    return Motion(frames[:, :POSE_DIM], frames[:, POSE_DIM:face], frames[:, face:], betas[row["clip"]], float(FPS))


def encoded(records: Iterable[Any]) -> list[list[Any]]:
    """Small records as rows of JSON; `_decoded` is the way back."""
    return [[getattr(record, field.name) for field in fields(record)] for record in records]


def _decoded(kind: type, rows: list[list[Any]]) -> tuple[Any, ...]:
    return tuple(kind(*row) for row in rows)


def _line(path: Path, offset: int) -> Any:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return json.loads(file.readline())
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r").view(np.ndarray)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: missing or damaged ({error})", expected="a whole clip store", remedy=_REMEDY)
