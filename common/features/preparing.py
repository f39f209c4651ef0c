"""Making prepared windows: decide where every row will lie, encode clip by clip on several processes, put together.

A killed run goes on with the clips that have no marker yet, see `gesturebench.common.features.prepared` for the files.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.corpus.flat import FlatFile, allocate
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.errors import InputError
from gesturebench.common.features.prepared import AUDIO, INDEX, STEP, TEXT, TEXT_INDEX, Place
from gesturebench.common.features.pretrained import width_of
from gesturebench.common.features.window_config import FPS, RATE, WindowEncoding
from gesturebench.common.features.window_encoder import Heard, rows_of, uncached_encoder
from gesturebench.common.files import write_json, write_npz
from gesturebench.common.fitting import FitContext
from gesturebench.common.parallel import over_processes

WINDOWS_PER_PROCESS = 100
"""For less, a process costs more to start than it saves."""


@dataclass(frozen=True)
class Preparation:
    """What every clip shares; `work` is the folder being filled."""

    store: ClipStore
    work: Path
    encoding: WindowEncoding
    length: int
    device: str

    def marker(self, place: Place) -> Path:
        return self.work / "clips" / f"{place.clip_id}.npz"


def prepare_windows(values: Mapping[str, Any], context: FitContext) -> None:
    """Encode the windows of `length` frames at multiples of `step` frames (both of 30 fps) of the clips of `split`.

    `values` hold besides them the encoding with the identity of its models, `context.place` with the models themselves.
    """
    encoding = WindowEncoding.parse(dict(context.place["encoding"]), "encoding")
    job = Preparation(context.store, context.work / "windows", encoding, values["length"], str(device()))
    refuse_store_without_tokens(context.store, encoding)
    grid = uncached_encoder(encoding, job.device).grid if encoding.audio else (1, 1)
    places = places_of(context.store, values["split"], values["length"], values["step"], grid)
    _allocate(job, places, grid)
    total = sum(len(place.starts) for place in places)
    workers = min(context.workers, 1 + total // WINDOWS_PER_PROCESS) if device().type == "cpu" else 1
    done = 0
    for count in over_processes(encode_clip, job, places, workers):
        done += count
        context.progress(done, total)
    _assemble(job, places, grid, context.out)


def refuse_store_without_tokens(store: ClipStore, encoding: WindowEncoding | None) -> None:
    """Stores that were made before tokens were kept would be read as if their speakers had said other words."""
    if encoding and encoding.text and encoding.source == "tokens" and "tokens" not in store.info["annotations"]:
        raise InputError(
            f"{store.path}: a clip store without the tokens of the discourse annotation",
            expected="one made by this version",
            remedy="delete the store's folder and run the command that made it again, or set conditions.source=words",
        )


def places_of(store: ClipStore, split: str, length: int, step: int, grid: tuple[int, int]) -> list[Place]:
    """Where the windows and the rows of every clip that holds a window will lie."""
    places, first, audio, text = [], 0, 0, 0
    for clip_id in store.split(split):
        n = store.n_frames(clip_id)
        starts = tuple(range(0, n - length + 1, step))
        if starts:
            rows, frames = rows_of(-(-n * SAMPLE_RATE // RATE), *grid), -(-n // STEP)
            places.append(Place(clip_id, first, starts, (audio, rows), (text, frames)))
            first, audio, text = first + len(starts), audio + rows, text + frames
    if not places:
        raise InputError(f"split {split!r}: no clip has {length} frames ({length / RATE:.1f} s)")
    return places


def _allocate(job: Preparation, places: Sequence[Place], grid: tuple[int, int]) -> None:
    """Files of their full length, unless a run before this one left them."""
    if (job.work / "clips").is_dir():
        return
    encoding, last = job.encoding, places[-1]
    dtype, by_clip = np.dtype(encoding.stored).type, encoding.granularity == "clip"
    if encoding.audio is not None:
        rows = rows_of(job.length * SAMPLE_RATE // RATE, *grid)
        shape = (sum(last.audio),) if by_clip else (last.first + len(last.starts), rows)
        allocate(job.work / AUDIO, dtype, (*shape, width_of(encoding.audio)))
    if encoding.text is not None and by_clip:
        allocate(job.work / TEXT, dtype, (sum(last.text), width_of(encoding.text)))
    (job.work / "clips").mkdir(parents=True)


def encode_clip(job: Preparation, place: Place) -> int:
    """Encode the windows of a clip, unless that is done; returns how many it has. The marker comes last."""
    if not job.marker(place).exists():
        encoder = uncached_encoder(job.encoding, job.device)
        heard = Heard.of(job.store.speech(place.clip_id), job.encoding)
        if job.encoding.granularity == "clip":
            texts = {}
            _write_clip(job, place, heard)
        else:
            texts = _text_arrays(encoder, job, place, heard) if job.encoding.text else {}
            if job.encoding.audio is not None:
                waves = np.stack([heard.wave(start, job.length) for start in place.starts])
                _write(job.work / AUDIO, place.first, encoder.audios(waves))
        write_npz(job.marker(place), **texts)
    return len(place.starts)


def _write_clip(job: Preparation, place: Place, heard: Heard) -> None:
    encoder = uncached_encoder(job.encoding, job.device)
    if job.encoding.audio is not None:
        _write(job.work / AUDIO, place.audio[0], encoder.clip_audio(heard, place.clip_id))
    if job.encoding.text is not None:
        _write(job.work / TEXT, place.text[0], encoder.clip_text(heard, place.text[1]))


def _text_arrays(encoder: Any, job: Preparation, place: Place, heard: Heard) -> dict[str, np.ndarray]:
    """What a clip contributes to text.npy and text.npz, windows of more tokens than the model reads at once marked."""
    windows = [heard.text(start, job.length) for start in place.starts]
    fits = np.array([encoder.reader.fits([word.text for word in words]) for words in windows])
    read = encoder.texts(windows)
    spans = [[int(word.start_s * FPS), int(word.end_s * FPS)] for text in read for word in text.words]
    return {
        "fits": fits,
        "rows": np.concatenate([text.tokens for text in read]).astype(job.encoding.stored),
        "owners": np.concatenate([text.owners for text in read]).astype(np.int16),
        "tokens": np.array([len(text.tokens) for text in read]),
        "words": np.array([len(text.words) for text in read]),
        "spans": np.array(spans, np.int16).reshape(-1, 2),
    }


def _write(path: Path, first: int, rows: np.ndarray) -> None:
    with closing(FlatFile(path)) as file:
        file.write(first, rows)


def _assemble(job: Preparation, places: Sequence[Place], grid: tuple[int, int], out: Path) -> None:
    """The finished folder, out of the flat files and the markers of all clips."""
    left_out = []
    if job.encoding.text is not None and job.encoding.granularity == "window":
        left_out = _assemble_text(job, places)
    for name in (AUDIO, TEXT, TEXT_INDEX):
        if (job.work / name).exists():
            shutil.move(job.work / name, out / name)
    index = {
        "encoding": job.encoding.model_dump(mode="json"),
        "length": job.length,
        "grid": list(grid),
        "places": [astuple(place) for place in places],
        "left_out": left_out,
    }
    write_json(out / INDEX, index)
    shutil.rmtree(job.work)


def _assemble_text(job: Preparation, places: Sequence[Place]) -> list[list[Any]]:
    """The text files out of the markers; returns the windows that the model cannot read at once."""
    left_out: list[list[Any]] = []
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("owners", "tokens", "words", "spans")}
    for place in places:
        with np.load(job.marker(place)) as arrays:
            for name, pieces in found.items():
                pieces.append(arrays[name])
            fits = arrays["fits"].tolist()
        left_out += [[place.clip_id, start, job.length] for start, fit in zip(place.starts, fits) if not fit]
    index = {name: np.concatenate(pieces) for name, pieces in found.items()}
    index |= {name: np.cumsum([0, *index[name].tolist()]) for name in ("tokens", "words")}
    write_npz(job.work / TEXT_INDEX, **index)
    allocate(job.work / TEXT, np.dtype(job.encoding.stored).type, (len(index["owners"]), width_of(job.encoding.text)))
    first = 0
    for place in places:
        with np.load(job.marker(place)) as arrays:
            rows = arrays["rows"]
        _write(job.work / TEXT, first, rows)
        first += len(rows)
    return left_out
