"""Importing published weights at their full size: time, peak memory, and equality bit by bit.

Random tensors under all published names and shapes (621 M numbers) in the published containers, written to a folder of
their own: 5 GB, and 2.5 GB for the import. Needs 5 GB of memory; $GESTUREBENCH_BENCH_FOLDER chooses the disk.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from gesturebench.common.weights.artifact import TENSORS
from gesturebench.methods.rag_gesture.published import PREFIXES
from tests.methods.rag_gesture.released import Released, Sizes

FOLDER = os.environ.get("GESTUREBENCH_BENCH_FOLDER")


@pytest.fixture(scope="module")
def published() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        released = Released.random(Sizes(), embedded=False)
        for part, tensors in released.vaes.items():
            prefix = f"model.gesture_rep_encoder.{part}_vae."
            released.diffusion |= {f"{prefix}{own}": tensor for own, tensor in tensors.items()}
        released.write(Path(name) / "theirs")
        yield Path(name)


def test_full_size(benchmark, published):
    out, words = published / "own", ["weights", "import", "rag_gesture"]

    def run() -> None:
        subprocess.run(
            [sys.executable, "-m", "gesturebench", *words, published / "theirs", "--out", out],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    started = time.perf_counter()
    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["import_s"] = time.perf_counter() - started
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    benchmark.extra_info |= {"cpu_s": children.ru_utime + children.ru_stime, "peak_gb": children.ru_maxrss / 2**20}
    benchmark.extra_info |= {"read_gb": _bytes(published / "theirs") / 1e9, "written_gb": _bytes(out) / 1e9}
    assert _differing(published / "theirs", out) == []


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _differing(theirs: Path, own: Path) -> list[str]:
    """Names of tensors that are not bit-equal in the import and the published checkpoint."""
    path = next(theirs.glob("diffusion/*/epoch_64.pth"))
    state = torch.load(path, weights_only=True, mmap=True)["state_dict"]
    found, differing = set(), []
    for part, prefix in PREFIXES.items():
        with safe_open(own / part / TENSORS, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no dictionary
                found.add(f"{prefix}{name}")
                differing += [] if torch.equal(tensors.get_tensor(name), state[f"{prefix}{name}"]) else [name]
    return differing + sorted(state.keys() ^ found)
