"""Speech of any length in RAG-Gesture: peak memory beside the length, and that time grows with it and no faster.

Each length runs in a process of its own, which first generates a short clip: what is counted after that is what the
length alone takes. Networks have the sizes of the demo and are hardly trained; neither number depends on it.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.fitting import FitContext
from gesturebench.methods.registry import get_method

LENGTHS_S = (30, 120, 480)
CONFIG = {"codec": {"training": {"steps": 2, "batch": 2}}, "training": {"steps": 2, "batch": 2}}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A small store and the artifacts of a network with the demo's sizes."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        generate_corpus(StandinPreset(speakers=2, clips=6, sentences=3), root / "corpus", workers=1)
        build_store(root / "corpus", root / "store")
        store, done = ClipStore.open(root / "store"), {}
        method = get_method("rag_gesture")
        for component in method.components(method.preset("demo").updated(CONFIG)):
            out, work = root / "artifacts" / component.name, root / "work" / component.name
            out.mkdir(parents=True), work.mkdir(parents=True)
            module, _, function = component.fit.partition(":")
            upstream = {need: done[need] for need in component.needs}
            getattr(import_module(module), function)(component.config, FitContext(store, out, work, 0, upstream))
            done[component.name] = out
        yield root


@pytest.mark.parametrize("seconds", LENGTHS_S)
def test_memory_beside_length(benchmark, folder, seconds):
    """Speech comes in and motion goes out, both as long as the speech; `extra_mb` is all memory beyond the two."""
    measured = benchmark.pedantic(in_own_process, args=(folder, seconds), rounds=1)
    assert measured.pop("frames") == 30 * seconds
    benchmark.extra_info |= measured


def in_own_process(folder: Path, seconds: int) -> dict[str, float]:
    command = [sys.executable, __file__, str(folder), str(seconds)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measured(folder: Path, seconds: int) -> dict[str, float]:
    method = get_method("rag_gesture")
    artifacts = {path.name: path for path in (folder / "artifacts").iterdir()}
    loaded = method.load(method.preset("demo").updated(CONFIG), artifacts, ClipStore.open(folder / "store"))
    loaded.generate([babble(30)], seed=0)
    forget_peak()
    before, started = peak_mb(), time.process_time()
    speech = babble(seconds)
    motion = loaded.generate([speech], seed=0)[0]
    grown, used_s = peak_mb() - before, time.process_time() - started
    arrays = (motion.poses, motion.expressions, motion.trans, speech.audio)
    own = sum(array.nbytes for array in arrays) / 2**20
    return {
        "frames": motion.n_frames,
        "grown_mb": grown,
        "in_and_out_mb": own,
        "extra_mb": grown - own,
        "cpu_s": used_s,
    }


def babble(seconds: int) -> Speech:
    noise = np.random.default_rng(0).standard_normal(seconds * SAMPLE_RATE, dtype=np.float32)
    return Speech(f"2_babble_0_1_{seconds}", 0.1 * noise, 2)


def peak_mb() -> float:
    """Highest resident memory since `forget_peak` (Linux; getrusage would tell that of the parent, too)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), int(sys.argv[2]))))
