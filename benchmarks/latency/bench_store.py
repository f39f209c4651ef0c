"""The clip store: random windows per second, memory, preparation against real time, and room on the disk.

The slow side is the way of the released loaders, restated from their description: every overlapping window of a clip
with all its arrays, in the precision they have there, is serialised into a table of values and read back whole. The
database is replaced by one file that is mapped and sliced, pyarrow by pickle; both favour the slow side.
"""

import mmap
import os
import pickle
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gesturebench.common.corpus.audio import legacy_22050, read_audio
from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.corpus.clip import Motion, Word
from gesturebench.common.corpus.store import ClipStore, build_store

from .random_corpus import CLIP_S, write_random_corpus

LENGTH, STRIDE, SAMPLES = 64, 20, 34_133
HOURS = float(os.environ.get("GESTUREBENCH_BENCH_HOURS", "0.5"))
"""Hours of generated data; BEAT2's standard part is 27."""
DRAWS = 2000


@pytest.fixture(scope="module")
def prepared() -> Iterator[tuple[ClipStore, float, Path]]:
    """A store, the seconds its making took on one core, and its folder's parent."""
    with tempfile.TemporaryDirectory() as name:
        root, out = Path(name) / "corpus", Path(name) / "store"
        write_random_corpus(root, HOURS)
        started = time.process_time()
        build_store(root, out)
        yield ClipStore.open(out), time.process_time() - started, Path(name)


class OverlappingWindows:
    """The cache of the released loaders: one serialised list per window, repeated arrays and all."""

    def __init__(self, path: Path):
        self.path, self.places = path, {}
        path.write_bytes(b"")

    def append(self, clip_id: str, motion: Motion, audio: np.ndarray, words: np.ndarray) -> None:
        with open(self.path, "ab") as file:
            for start in range(0, motion.n_frames - LENGTH + 1, STRIDE):
                at = file.tell()
                file.write(pickle.dumps(released_sample(motion, audio, words, start)))
                self.places[clip_id, start] = at, file.tell()

    def open(self) -> "OverlappingWindows":
        with open(self.path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self

    def __getitem__(self, key: tuple[str, int]) -> list[Any]:
        first, last = self.places[key]
        return pickle.loads(self._map[first:last])


def released_sample(motion: Motion, audio: np.ndarray, words: np.ndarray, start: int) -> list[Any]:
    """pose (L, 169) with contacts, audio (rows, columns), facial (L, 100), shape (L, 300), word, emotion, semantic
    score, speaker, translation: a row per frame of each, float64 where the npz files and the contacts are."""
    frames = slice(start, start + LENGTH)
    first = start * 16_000 // 30
    pose = np.concatenate([motion.poses[frames], np.zeros((LENGTH, 4))], axis=1)
    shape = np.repeat(motion.betas[None], LENGTH, axis=0)
    number, score = np.zeros((LENGTH, 1)), np.zeros(LENGTH)
    face, trans = (array[frames].astype(np.float64) for array in (motion.expressions, motion.trans))
    return [
        pose,
        audio[first : first + SAMPLES].copy(),
        face,
        shape,
        words[frames].copy(),
        number,
        score,
        number,
        trans,
    ]


def released_cache(root: Path, path: Path) -> OverlappingWindows:
    """From files to windows: double resampling, rolling maximum over 1024 samples (of a view: the copy that
    the released code makes takes 4 GB a minute), a search of the word per frame."""
    folder, table = Beat2Folder(root), OverlappingWindows(path)
    for clip_id in folder.ids():
        clip = folder.read(clip_id)
        wave = legacy_22050(read_audio(folder.audio_file(clip_id)))
        amplitude = np.lib.stride_tricks.sliding_window_view(np.abs(wave), 1024).max(axis=1)
        amplitude = np.append(amplitude, np.repeat(amplitude[-1], 1023))
        columns = np.stack([amplitude, np.zeros(len(amplitude))], axis=1)  # onsets cost the same on both sides
        words = np.array([_word_at(clip.speech.words, frame / 30) for frame in range(clip.motion.n_frames)])
        table.append(clip_id, clip.motion, columns, words)
    return table


def _word_at(words: tuple[Word, ...], time_s: float) -> int:
    for number, word in enumerate(words):
        if word.start_s <= time_s <= word.end_s:
            return number
    return 3


def draws(store: ClipStore, clips: tuple[str, ...]) -> list[tuple[str, int]]:
    """Random windows on the grid of the released stride."""
    rng = np.random.default_rng(0)
    chosen = [clips[k] for k in rng.integers(0, len(clips), DRAWS)]
    return [(clip, STRIDE * int(rng.integers(0, (store.n_frames(clip) - LENGTH) // STRIDE + 1))) for clip in chosen]


def read_into(store: ClipStore, wanted: list[tuple[str, int]], batch: np.ndarray, sound: np.ndarray) -> None:
    """Every window's motion and audio, copied into a batch: views alone would read nothing."""
    for clip_id, start in wanted:
        motion, audio = store.window(clip_id, start, LENGTH)
        batch[:, :165], batch[:, 165:265], batch[:, 265:] = motion.poses, motion.expressions, motion.trans
        sound[:] = audio


def test_random_windows(prepared, versus, benchmark):
    store, _, folder = prepared
    clips, table = store.ids[:10], OverlappingWindows(folder / "windows.bin")
    for clip_id in clips:
        sound = store.speech(clip_id).audio.astype(np.float64)
        table.append(clip_id, store.motion(clip_id), np.stack([sound, sound], axis=1), np.zeros(1))
    table.open()
    wanted, everywhere = draws(store, clips), draws(store, store.ids)
    batch, sound = np.empty((LENGTH, 268), np.float32), np.empty(SAMPLES + 1, np.float32)
    for key in wanted[:50]:
        pose, audio, facial, *_, trans = table[key]
        read_into(store, [key], batch, sound)
        np.testing.assert_array_equal(np.concatenate([pose[:, :165], facial, trans], axis=1), batch)
        np.testing.assert_array_equal(audio[:, 0], sound[:SAMPLES])

    versus(lambda: read_into(store, everywhere, batch, sound), lambda: [table[key] for key in wanted])
    benchmark.extra_info["windows_per_s"] = DRAWS / benchmark.extra_info["fast_ms"] * 1e3
    benchmark.extra_info["legacy_windows_per_s"] = DRAWS / benchmark.extra_info["slow_ms"] * 1e3


def test_preparing_eight_clips(tmp_path, versus):
    """Ours includes reading the body model, which costs as much as six clips, and three features per frame."""
    write_random_corpus(tmp_path / "corpus", hours=8 * CLIP_S / 3600)

    def ours() -> None:
        build_store(tmp_path / "corpus", tmp_path / "store")

    def theirs() -> OverlappingWindows:
        return released_cache(tmp_path / "corpus", tmp_path / "windows.bin")

    ours()
    store, table = ClipStore.open(tmp_path / "store"), theirs().open()
    for clip_id, start in table.places:
        motion, _ = store.window(clip_id, start, LENGTH)
        np.testing.assert_array_equal(table[clip_id, start][0][:, :165], motion.poses)
    versus(ours, theirs, rounds=2)


def test_preparing_against_real_time(prepared, benchmark):
    """CPU seconds of one process, from the corpus' files to the finished store; the body model is read, but no frame
    is posed."""
    store, seconds, _ = prepared
    hours = store.info["duration_s"] / 3600
    benchmark.extra_info |= {"hours": hours, "cpu_s": seconds, "times_real_time": 3600 * hours / seconds}
    benchmark.pedantic(lambda: ClipStore.open(store.path), rounds=5)


def test_room_on_the_disk(prepared, benchmark):
    """The store's bytes beside those of the released windows: their number times one serialised window, with the two
    audio columns that EMAGE trains on (which we compute when they are asked for), and with raw float32 audio."""
    store, _, _ = prepared
    clip, hours = store.clip(store.ids[0]), store.info["duration_s"] / 3600
    windows = sum((store.n_frames(clip_id) - LENGTH) // STRIDE + 1 for clip_id in store.ids)
    ours = sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file())
    benchmark.extra_info["MB_per_hour"] = ours / hours / 1e6
    columns = {
        "onset_amplitude": np.stack([clip.speech.audio] * 2, axis=1).astype(np.float64),
        "raw": clip.speech.audio,
    }
    for name, audio in columns.items():
        theirs = windows * len(pickle.dumps(released_sample(clip.motion, audio, np.zeros(clip.motion.n_frames), 0)))
        benchmark.extra_info |= {f"legacy_{name}_MB_per_hour": theirs / hours / 1e6, f"smaller_{name}": theirs / ours}
    benchmark.pedantic(lambda: store.info["n_frames"], rounds=5)


def test_memory_does_not_grow_with_the_data(prepared, benchmark):
    """Anonymous memory of a reader, in MB, before and after windows from all over the store; pages of the mapped files
    belong to the system."""
    store, _, _ = prepared
    batch, sound = np.empty((LENGTH, 268), np.float32), np.empty(SAMPLES + 1, np.float32)
    read_into(store, draws(store, store.ids[:2]), batch, sound)
    before = anonymous_mb()
    read_into(store, draws(store, store.ids), batch, sound)
    mapped = (store.path / "motion.npy").stat().st_size + (store.path / "audio.npy").stat().st_size
    benchmark.extra_info |= {"growth_MB": anonymous_mb() - before, "mapped_MB": mapped / 1e6}
    benchmark.pedantic(lambda: read_into(store, draws(store, store.ids)[:100], batch, sound), rounds=5)


def anonymous_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024
