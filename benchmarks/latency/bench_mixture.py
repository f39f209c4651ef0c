"""The search for a condition mixture at the demo's sizes: how long the grid takes, and that the memory of the second
stage does not depend on how many steps it takes.

Networks are hardly trained; neither number depends on it. The grid is not walked: one point is sampled for a batch of
clips, and `grid_min` is what all points of both levels take at that pace on two cores.
"""

import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.diffusion.mixture_distance import distance
from gesturebench.common.diffusion.mixture_refining import Refinement, refine
from gesturebench.common.diffusion.mixture_search import grid_search
from gesturebench.common.fitting import FitContext
from gesturebench.methods.registry import get_method
from gesturebench.methods.remodiffuse.searching import Candidates, Search
from gesturebench.methods.remodiffuse.searching_config import FINE

from .paper_rag_gesture import peak_growth_mb

QUICK = {"steps": 2, "batch": 2}
CONFIG = {
    "training": QUICK,
    "mixture": {"policy": "paper"},
    "search": {"stages": "fine", "references": 64, "embedding": {"training": QUICK}},
}
CORES = 2


@pytest.fixture(scope="module")
def parts() -> Iterator[SimpleNamespace]:
    """A small store, and everything that a search reads, fitted for two steps."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        generate_corpus(StandinPreset(speakers=2, clips=6, sentences=2), root / "corpus", workers=1)
        build_store(root / "corpus", root / "store")
        store, done = ClipStore.open(root / "store"), {}
        method = get_method("remodiffuse")
        config = method.preset("demo").updated(CONFIG)
        *trained, _, fine = method.components(config)
        for component in trained:
            out, work = root / "artifacts" / component.name, root / "work" / component.name
            out.mkdir(parents=True), work.mkdir(parents=True)
            module, _, function = component.fit.partition(":")
            upstream = {need: done[need] for need in component.needs}
            context = FitContext(store, out, work, 0, upstream, place=component.place)
            getattr(import_module(module), function)(component.config, context)
            done[component.name] = out
        assert fine.name == FINE
        yield SimpleNamespace(search=Search(fine.config, done, store, 0, root), config=config.search)


def clips_of_a_grid(config) -> int:
    """How many samples both levels take, each point's clips counted once."""
    needed: dict[tuple[float, float], int] = {}

    def judge(points, clips):
        for point in points:
            needed[point] = clips
            yield sum(map(abs, point))

    grid_search(judge, config)
    return sum(needed.values())


def test_the_grid(benchmark, parts):
    """Three branches in 40 steps, one in ten, and the embedding."""
    config = parts.config
    candidates = Candidates(parts.search, config.batch)
    rows = slice(0, config.batch)
    candidates.sampled((1.0, 1.0), rows)  # what the conditions take once
    started = time.process_time()
    benchmark.pedantic(candidates.sampled, args=((1.5, -0.5), rows), rounds=2)
    cpu_s = (time.process_time() - started) / 2 / config.batch
    samples = clips_of_a_grid(config)
    benchmark.extra_info |= {
        "samples": samples,
        "cpu_ms_per_sample": 1e3 * cpu_s,
        "grid_min": samples * cpu_s / CORES / 60,
    }


def test_memory_of_the_fine_stage(benchmark, parts):
    """How far memory rises in eight steps beside two, derivatives taken at every one."""
    clips = 8
    candidates, rows = Candidates(parts.search, clips), slice(0, clips)
    states = candidates.at_split((1.0, 0.0), rows)

    def run(steps: int) -> None:
        refine(
            lambda fine: candidates.finished(states, fine, rows),
            lambda found: distance(candidates.reference, found),
            Refinement((1.0, 0.0, 0.0)),
            parts.config.model_copy(update={"steps": steps, "linear_steps": 1}),
        )

    run(1)
    few = peak_growth_mb(lambda: run(2))
    many = benchmark.pedantic(peak_growth_mb, args=(lambda: run(8),), rounds=1)
    benchmark.extra_info |= {"mb_of_2_steps": few, "mb_of_8_steps": many}
    assert few is None or many < few + 8


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The search runs one process per core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
