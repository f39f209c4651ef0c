"""Filling a clip store: one pass over the corpus, one clip in memory at a time."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gesturebench.common.corpus.beat2 import FPS, Beat2Folder, Recording, body_model_path
from gesturebench.common.corpus.clip import BETA_DIM, Speech
from gesturebench.common.corpus.fingerprint import MEAN_SPEED, fingerprint
from gesturebench.common.corpus.store import (
    ANNOTATION_TYPES,
    INDEX,
    MOTION_DIM,
    PCM_SCALE,
    encoded,
    motion_of,
    store_version,
)
from gesturebench.common.errors import InputError
from gesturebench.common.features.registry import FEATURES, Feature
from gesturebench.common.files import explained, write_json, writing
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.common.motion.speed import mean_joint_speed
from gesturebench.common.progress import Progress


def fill(root: Path, out: Path, body: Path | None, cache: Path | None, progress: Progress) -> None:
    """See `gesturebench.common.corpus.store.build_store`."""
    folder = Beat2Folder(root)
    joints = JointModel.from_body_model(body_model_path(folder.root, body))
    splits = folder.splits if folder.has_split else {}
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / INDEX).unlink(missing_ok=True)
        rows = _write_clips(folder, splits, out, progress)
    joints.save(out / "joints.npz")
    published = folder.root / MEAN_SPEED
    speed = _read_mean_speed(published) if published.exists() else _measure_mean_speed(out, rows, joints)
    with writing(out / "mean_speed.npy") as part, open(part, "wb") as file:
        np.save(file, speed)
    identity = fingerprint(root, body=body, cache=cache)
    write_json(out / INDEX, {"info": _header(folder, rows, identity), "split_order": list(splits), "clips": rows})


def _write_clips(folder: Beat2Folder, splits: dict[str, str], out: Path, progress: Progress) -> list[dict[str, Any]]:
    ids = folder.ids()
    plain = all(folder.wave_header(clip_id).is_plain for clip_id in ids)
    with ExitStack() as stack:
        writer = _Writer(stack, out, np.int16 if plain else np.float32)
        for done, clip_id in enumerate(ids, start=1):
            writer.add(folder.record(clip_id), splits.get(clip_id, ""))
            progress(done, len(ids))
    return writer.rows


class _Writer:
    """The open files of a store, and the index rows of what was written to them."""

    def __init__(self, stack: ExitStack, out: Path, sample_type: type):
        def array(name: str, dtype: type, *row: int) -> "GrowingArray":
            return stack.enter_context(GrowingArray(out / name, dtype, row))

        self.motion, self.audio = array("motion.npy", np.float32, MOTION_DIM), array("audio.npy", sample_type)
        self.betas = array("betas.npy", np.float32, BETA_DIM)
        self.features = {f: array(f"features/{f.name}.npy", np.float32, f.dim) for f in FEATURES.values()}
        self.speech = stack.enter_context((out / "speech.jsonl").open("wb"))
        self.truth = stack.enter_context((out / "truth.jsonl").open("wb"))
        self.rows: list[dict[str, Any]] = []

    def add(self, recording: Recording, split: str) -> None:
        clip = recording.clip
        speech, motion = clip.speech, clip.motion
        places = {"clip": len(self.rows), "frame": self.motion.length, "sample": self.audio.length}
        lines = {"speech_at": self.speech.tell(), "truth_at": self.truth.tell()}
        self.rows.append(_described(recording) | {"split": split} | places | lines)
        self.motion.append(np.concatenate([motion.poses, motion.expressions, motion.trans], axis=1))
        self.audio.append(_as_stored(speech.audio, self.audio.dtype))
        self.betas.append(motion.betas[None])
        for feature, array in self.features.items():
            array.append(_checked(feature.compute(speech), feature, speech, motion.n_frames))
        _write_line(self.speech, {name: encoded(getattr(speech, name)) for name in ANNOTATION_TYPES})
        _write_line(self.truth, encoded(recording.truth))


def _described(recording: Recording) -> dict[str, Any]:
    """The part of an index row that does not depend on where the clip lies in the store."""
    speech, truth = recording.clip.speech, ["truth"] if recording.truth else []
    return {
        "id": speech.clip_id,
        "speaker": speech.speaker,
        "emotion": speech.emotion,
        "n_frames": recording.clip.motion.n_frames,
        "n_samples": len(speech.audio),
        "dropped_frames": recording.dropped_frames,
        "dropped_s": round(recording.dropped_s, 4),
        "annotations": [name for name in ANNOTATION_TYPES if getattr(speech, name)] + truth,
    }


class GrowingArray:
    """An `.npy` file that is appended to; the header gets the final length on closing (numpy leaves room for it)."""

    def __init__(self, path: Path, dtype: type, row: tuple[int, ...]):
        self.path, self.dtype, self.row, self.length = path, np.dtype(dtype), row, 0

    def __enter__(self) -> "GrowingArray":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "wb")
        self._write_header()
        return self

    def append(self, rows: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.length += len(rows)

    def __exit__(self, *failure: object) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        descr = np.lib.format.dtype_to_descr(self.dtype)
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": descr, "fortran_order": False, "shape": (self.length, *self.row)}
        )


def _header(folder: Beat2Folder, rows: list[dict[str, Any]], identity: str) -> dict[str, Any]:
    """What `ClipStore.info` tells: where the data came from, and how much of it there is."""
    frames = sum(row["n_frames"] for row in rows)
    has_truth = any("truth" in row["annotations"] for row in rows)
    return {
        "version": store_version(),
        "source": str(folder.root),
        "fingerprint": identity,
        "is_standin": has_truth or folder.is_standin,
        "has_truth": has_truth,
        "n_clips": len(rows),
        "n_frames": frames,
        "n_samples": sum(row["n_samples"] for row in rows),
        "duration_s": round(frames / FPS, 3),
        "speakers": sorted({row["speaker"] for row in rows}),
        "annotations": {name: sum(name in row["annotations"] for row in rows) for name in (*ANNOTATION_TYPES, "truth")},
        "dropped_frames": sum(row["dropped_frames"] for row in rows),
        "dropped_s": round(sum(row["dropped_s"] for row in rows), 4),
    }


def _read_mean_speed(path: Path) -> np.ndarray:
    try:
        speed = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: not a readable npy file ({error})", remedy="restore it, or delete it: it is then computed"
        ) from error
    if speed.shape != (N_JOINTS,) or not np.isfinite(speed).all():
        raise InputError(
            f"{path}: shape {speed.shape}",
            expected=f"({N_JOINTS},) finite speeds",
            remedy="delete it: it is then computed",
        )
    return speed.astype(np.float32)


def _measure_mean_speed(out: Path, rows: list[dict[str, Any]], joints: JointModel) -> np.ndarray:
    """From the training clips, or from all if the corpus has no split."""
    motion, betas = (np.load(out / f"{name}.npy", mmap_mode="r") for name in ("motion", "betas"))
    chosen = [row for row in rows if row["split"] == "train"] or rows
    return mean_joint_speed(joints, (motion_of(motion, betas, row) for row in chosen))


def _checked(rows: np.ndarray, feature: Feature, speech: Speech, n_frames: int) -> np.ndarray:
    if rows.shape != (n_frames, feature.dim) or not np.isfinite(rows).all():
        raise InputError(
            f"feature {feature.name} of {speech.clip_id}: shape {rows.shape} or not finite",
            expected=f"({n_frames}, {feature.dim})",
        )
    return rows


def _as_stored(audio: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """PCM16 samples come back exactly: float32 holds k / 32768 without rounding."""
    return np.rint(audio / PCM_SCALE) if dtype == np.int16 else audio


def _write_line(file: BinaryIO, value: Any) -> None:
    file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
