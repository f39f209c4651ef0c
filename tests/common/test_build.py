"""Building a store: killed at any moment, by any number of processes, after other data, the bytes are the same."""

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gesturebench.common.corpus import build
from gesturebench.common.corpus.filling import CHUNK
from gesturebench.common.corpus.flat import FlatFile, allocate
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.errors import InputError
from gesturebench.common.features.registry import FEATURES

from .conftest import smooth_motion, write_body, write_clip, write_npz, write_split

N_CLIPS = 2 * CHUNK + 3
MORTAL = """
import os, signal, sys
from pathlib import Path
from gesturebench.common.threads import limit_threads
limit_threads()
from gesturebench.common.corpus import build, filling, store

def mortal(owner, name, life):
    '''The process is killed when it calls the function once more than `life` times.'''
    function, calls = getattr(owner, name), []
    def call(*arguments, **options):
        calls.append(None)
        if len(calls) > life:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    setattr(owner, name, call)

root, out, where, life = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
owners = {"allocate": filling, "add": filling._Writer, "write_json": filling, "move": build.shutil}
mortal(owners[where], where, life)
store.build_store(root, out)
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    rows = [(f"2_scott_0_{k + 1}_{k + 1}", "train" if k % 3 else "test") for k in range(N_CLIPS)]
    for seed, (clip_id, _) in enumerate(rows):
        write_clip(root, clip_id, seed, seconds=1 + seed / 10, frames=30 + 5 * seed)
    write_split(root, rows)
    write_body(root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz")
    return root


@pytest.fixture(scope="module")
def hashes(corpus, tmp_path_factory) -> dict[str, str]:
    """Of a build without interruption."""
    out = tmp_path_factory.mktemp("straight") / "store"
    build_store(corpus, out)
    return contents(out)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("where", "life"),
    [("allocate", 2), ("add", 5), ("add", CHUNK + 1), ("write_json", 1), ("move", 3)],
)
def test_a_killed_build_goes_on_and_ends_in_the_same_bytes(corpus, hashes, tmp_path, where, life):
    words = [sys.executable, "-c", MORTAL, corpus, tmp_path / "store", where, str(life)]
    killed = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(InputError, match="not a whole clip store"):
        ClipStore.open(tmp_path / "store")
    build_store(corpus, tmp_path / "store")
    assert contents(tmp_path / "store") == hashes


def test_finished_chunks_are_not_read_again(corpus, tmp_path, monkeypatch):
    words = [sys.executable, "-c", MORTAL, corpus, tmp_path / "store", "add", str(2 * CHUNK)]
    subprocess.run([str(word) for word in words], capture_output=True)
    read, record = [], build.Beat2Folder.record

    def noted(folder, clip_id):
        read.append(clip_id)
        return record(folder, clip_id)

    monkeypatch.setattr(build.Beat2Folder, "record", noted)
    build_store(corpus, tmp_path / "store")
    assert len(read) == N_CLIPS - 2 * CHUNK


def test_processes_write_the_same_bytes(corpus, hashes, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_FRAMES_PER_PROCESS", 1)
    seen: list[tuple[int, int]] = []
    build_store(corpus, tmp_path / "store", workers=2, work=tmp_path / "work", progress=lambda *now: seen.append(now))
    assert contents(tmp_path / "store") == hashes
    assert seen == [(CHUNK, N_CLIPS), (2 * CHUNK, N_CLIPS), (N_CLIPS, N_CLIPS)]
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_clip_ends_the_build_and_its_leftovers_are_cleared(corpus, hashes, tmp_path, workers, monkeypatch):
    monkeypatch.setattr(build, "_FRAMES_PER_PROCESS", 1)
    other = tmp_path / "other"
    for seed in range(CHUNK + 1):
        write_clip(other, f"2_scott_0_{seed + 1}_{seed + 1}", seed)
    write_body(other / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz")
    broken = smooth_motion(63)
    broken.poses[0] = np.nan
    write_npz(other / "smplxflame_30" / f"2_scott_0_{CHUNK + 1}_{CHUNK + 1}.npz", broken)
    with pytest.raises(InputError, match=r"poses\[0, 0\] is nan"):
        build_store(other, tmp_path / "store", workers=workers)
    assert len(list((tmp_path / "store" / ".filling" / "chunks").glob("?????.json"))) == 1, "the first chunk is done"
    build_store(corpus, tmp_path / "store")
    assert contents(tmp_path / "store") == hashes


def test_flat_files_are_plain_npy(tmp_path):
    allocate(tmp_path / "a.npy", np.float32, (10, 3))
    rows = np.arange(12, dtype=np.float64).reshape(4, 3)
    file = FlatFile(tmp_path / "a.npy")
    file.write(6, rows)
    file.write(0, rows[:2])
    with pytest.raises(ValueError, match="do not fit"):
        file.write(7, rows)
    file.close()
    expected = np.zeros((10, 3), np.float32)
    expected[6:], expected[:2] = rows, rows[:2]
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)


def test_every_feature_has_its_place(corpus, tmp_path):
    build_store(corpus, tmp_path / "store")
    assert {path.stem for path in (tmp_path / "store" / "features").iterdir()} == set(FEATURES)
