"""Building a clip store: decide from the headers where every clip will lie, fill the chunks, put the whole together."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from gesturebench.common.corpus.beat2 import FPS, Beat2Folder, body_model_path, clip_length
from gesturebench.common.corpus.filling import (
    CHUNK,
    FACE,
    JOINTS,
    LINES,
    SPEED_SUM,
    Chunk,
    Filling,
    Place,
    allocate_all,
    fill_chunk,
    offset_key,
)
from gesturebench.common.corpus.fingerprint import CARRIED, MEAN_SPEED, fingerprint
from gesturebench.common.corpus.store import ANNOTATION_TYPES, INDEX, store_version
from gesturebench.common.errors import InputError
from gesturebench.common.features.registry import FEATURES
from gesturebench.common.files import explained, read_json, sha256_json, write_json, writing
from gesturebench.common.motion.body_file import read_body
from gesturebench.common.motion.face import FACE_ARRAYS, FaceModel
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import N_JOINTS
from gesturebench.common.parallel import over_processes
from gesturebench.common.progress import Progress

_PLAN = "plan.json"
_FRAMES_PER_PROCESS = 18_000
"""Ten minutes of motion: for less, a process costs more to start than it saves."""


def fill(
    root: Path, out: Path, body: Path | None, cache: Path | None, work: Path | None, workers: int, progress: Progress
) -> None:
    """See `gesturebench.common.corpus.store.build_store`."""
    folder, work = Beat2Folder(root), work or out / ".filling"
    arrays = read_body(body_model_path(folder.root, body), FACE_ARRAYS)
    identity = fingerprint(root, body=body, cache=cache)
    with explained(out), threadpool_limits(1):  # the last bit of a product may depend on the number of threads
        out.mkdir(parents=True, exist_ok=True)
        (out / INDEX).unlink(missing_ok=True)
        chunks = _begin(folder, work, identity, arrays)
        filling, frames = Filling(root, work), sum(place.n_frames for chunk in chunks for place in chunk.places)
        clips, done = sum(len(chunk.places) for chunk in chunks), 0
        for count in over_processes(fill_chunk, filling, chunks, min(workers, 1 + frames // _FRAMES_PER_PROCESS)):
            done += count
            progress(done, clips)
        _assemble(folder, out, filling, chunks, identity)


def _begin(folder: Beat2Folder, work: Path, identity: str, body: dict[str, np.ndarray]) -> list[Chunk]:
    """The chunks to fill. What a killed build of the same data left in `work` is kept, everything else is cleared."""
    places, sample_type = _places(folder)
    plan = sha256_json([store_version(), identity, np.dtype(sample_type).str, [asdict(place) for place in places]])
    if not (work / _PLAN).exists() or read_json(work / _PLAN) != plan:
        shutil.rmtree(work, ignore_errors=True)
        (work / "chunks").mkdir(parents=True)
        JointModel.from_arrays(body).save(work / JOINTS)
        FaceModel.from_arrays(body).save(work / FACE)
        allocate_all(work, sum(p.n_frames for p in places), sum(p.n_samples for p in places), len(places), sample_type)
        write_json(work / _PLAN, plan)
    return [Chunk(k, tuple(places[at : at + CHUNK])) for k, at in enumerate(range(0, len(places), CHUNK))]


def _places(folder: Beat2Folder) -> tuple[list[Place], type]:
    """The place of every clip, and the type that holds the samples of all without loss."""
    splits = folder.splits if folder.has_split else {}
    measure, has_training = not (folder.root / MEAN_SPEED).exists(), "train" in splits.values()
    places, plain, frame, sample = [], True, 0, 0
    for clip, clip_id in enumerate(folder.ids()):
        n_frames, n_samples = folder.lengths(clip_id)
        n_frames, _ = clip_length(n_frames, n_samples)
        split = splits.get(clip_id, "")
        measured = measure and (split == "train" or not has_training)
        places.append(Place(clip, clip_id, split, frame, n_frames, sample, n_samples, measured))
        plain &= folder.wave_header(clip_id).is_plain
        frame, sample = frame + n_frames, sample + n_samples
    return places, np.int16 if plain else np.float32


def _assemble(folder: Beat2Folder, out: Path, filling: Filling, chunks: list[Chunk], identity: str) -> None:
    """Turn a filled work folder into a store. From its first step on the work folder is no longer one to go on with."""
    rows = _rows(filling, chunks)
    speed = _mean_speed(folder, rows)
    for name in LINES:
        with writing(out / name) as part, open(part, "wb") as file:
            for chunk in chunks:
                file.write(filling.lines(name, chunk).read_bytes())
    with writing(out / "mean_speed.npy") as part, open(part, "wb") as file:
        np.save(file, speed)
    for name in CARRIED:
        if (folder.root / name).is_file():
            with writing(out / name) as part:
                shutil.copyfile(folder.root / name, part)
    (filling.work / _PLAN).unlink()
    (out / "features").mkdir(exist_ok=True)
    for name in ("motion.npy", "audio.npy", "betas.npy", JOINTS, FACE, *(f"features/{name}.npy" for name in FEATURES)):
        shutil.move(filling.work / name, out / name)
    shutil.rmtree(filling.work)
    header, splits = _header(folder, rows, identity), list(folder.splits) if folder.has_split else []
    clips = [{name: value for name, value in row.items() if name != SPEED_SUM} for row in rows]
    write_json(out / INDEX, {"info": header, "split_order": splits, "clips": clips})


def _rows(filling: Filling, chunks: list[Chunk]) -> list[dict[str, Any]]:
    """Index rows of all clips; offsets of lines count from the first line of all."""
    rows, base = [], dict.fromkeys(LINES, 0)
    for chunk in chunks:
        for row in filling.rows(chunk):
            rows.append(row | {offset_key(name): row[offset_key(name)] + base[name] for name in LINES})
        base = {name: at + filling.lines(name, chunk).stat().st_size for name, at in base.items()}
    return rows


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
        "n_samples": sum(row["n_samples"] + row["n_tail"] for row in rows),
        "duration_s": round(frames / FPS, 3),
        "speakers": sorted({row["speaker"] for row in rows}),
        "annotations": {name: sum(name in row["annotations"] for row in rows) for name in (*ANNOTATION_TYPES, "truth")},
        "dropped_frames": sum(row["dropped_frames"] for row in rows),
        "dropped_s": round(sum(row["dropped_s"] for row in rows), 4),
    }


def _mean_speed(folder: Beat2Folder, rows: list[dict[str, Any]]) -> np.ndarray:
    """(55,) m/s: the published file, else what was measured on the training clips (on all, if there is no split)."""
    published = folder.root / MEAN_SPEED
    if published.exists():
        return read_mean_speed(published)
    measured = [row for row in rows if row[SPEED_SUM] is not None]
    total = np.sum([row[SPEED_SUM] for row in measured], axis=0)
    return np.asarray(total / sum(row["n_frames"] for row in measured), dtype=np.float32)


def read_mean_speed(path: Path) -> np.ndarray:
    """(55,) float32 m/s from `weights/mean_vel_smplxflame_30.npy`."""
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
