"""Arrays on disk: found again, bounded, whole or absent, for several processes."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from gesturebench.common.array_cache import ABANDONED_S, ArrayCache

KB = np.zeros(125, np.float64)
"""A thousand bytes; some 1270 as a file."""


def aged(cache: ArrayCache, name: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(cache.folder / f"{name}.npz", (then, then))


def test_finds_again_what_was_put(tmp_path):
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    ArrayCache(tmp_path, 10**6).put("network/window", array)
    found = ArrayCache(tmp_path, 10**6).get("network/window")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.float32
    assert ArrayCache(tmp_path, 10**6).get("network/other") is None


def test_the_longest_unused_goes_first_and_a_hit_is_use(tmp_path):
    ArrayCache(tmp_path / "one", 10**6).put("a", KB)
    size = (tmp_path / "one" / "a.npz").stat().st_size
    cache = ArrayCache(tmp_path / "all", int(3.5 * size))
    for age, name in ((300, "oldest"), (200, "old"), (100, "young")):
        cache.put(name, KB)
        aged(cache, name, age)
    cache.get("oldest")
    cache.put("new", KB)
    assert sorted(path.stem for path in cache.folder.iterdir()) == ["new", "oldest", "young"]


def test_what_never_fits_is_not_stored(tmp_path):
    cache = ArrayCache(tmp_path, 500)
    cache.put("large", KB)
    assert cache.get("large") is None
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_missing_and_can_be_replaced(tmp_path, damage):
    cache = ArrayCache(tmp_path, 10**6)
    cache.put("a", np.arange(1000.0))
    path = tmp_path / "a.npz"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes({"cut": whole[:600], "flipped": whole, "empty": b"", "foreign": b"not an archive"}[damage])
    assert cache.get("a") is None
    cache.put("a", np.arange(3.0))
    np.testing.assert_array_equal(cache.get("a"), np.arange(3.0))


def test_leftovers_of_processes_that_died_are_removed(tmp_path):
    old, young = tmp_path / ".a.npz.0123.part", tmp_path / ".b.npz.4567.part"
    for path, age in ((old, ABANDONED_S + 60), (young, 0)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    ArrayCache(tmp_path, 10**6).put("c", KB)
    assert not old.exists()
    assert young.exists()


def fill(folder: Path, worker: int) -> int:
    """Write, read and evict in a folder that others use as well; every array read is whole."""
    cache, hits = ArrayCache(folder, 20_000), 0
    for k in range(40):
        name = f"{(k * (worker + 3)) % 23}"
        found = cache.get(name)
        if found is None:
            cache.put(name, np.full(125, float(name)))
        else:
            assert (found == float(name)).all()
            hits += 1
    return hits


def test_processes_share_a_folder(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(fill, [tmp_path] * 2, range(2)))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.npz")) <= 20_000
    assert not list(tmp_path.rglob("*.part"))
