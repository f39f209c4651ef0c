"""ExGes' retrieval: how long a query, the base and the queues take."""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.fitting import FitContext
from gesturebench.methods.exges.retrieval import albef
from gesturebench.methods.exges.retrieval.base_fitting import fit_motion_base
from gesturebench.methods.exges.retrieval.components import retrieval_components
from gesturebench.methods.exges.retrieval.config import ContrastConfig, NetworkConfig, RetrievalConfig
from gesturebench.methods.exges.retrieval.contrast import RetrievalModule, TaughtModule
from gesturebench.methods.exges.retrieval.rows import MOTION_WIDTH
from gesturebench.methods.exges.retrieval.similar import FlatIndex

from .random_corpus import write_random_corpus

ENTRIES, JOINT, KEEP = 40_000, 256, 16
HOURS = 0.2
BATCH, QUEUE, FRAMES, WAVLM = 32, 4096, 45, 1024


def unit(rows: int) -> np.ndarray:
    vectors = np.random.default_rng(rows).normal(size=(rows, JOINT)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_query_of_the_whole_base(versus, benchmark):
    """One query among 40 000 segments, its own recording left out, beside one entry after another."""
    vectors, query, banned = unit(ENTRIES), unit(1), np.arange(100, 140)
    index = FlatIndex(vectors, np.arange(ENTRIES))

    def one_by_one() -> list[tuple[float, int]]:
        scores = ((float(vector @ query[0]), -entry) for entry, vector in enumerate(vectors))
        return sorted((s for s in scores if not 100 <= -s[1] < 140), reverse=True)[:KEEP]

    found = index.search(query, KEEP, banned)[0][0].tolist()
    assert found == [-entry for _, entry in one_by_one()]
    versus(lambda: index.search(query, KEEP, banned), one_by_one, rounds=3)


def test_queries_of_a_clip_share_the_product(versus, benchmark):
    """The 40 segments of a minute of speech at once, beside one after another."""
    index, queries, nobody = FlatIndex(unit(ENTRIES), np.arange(ENTRIES)), unit(40), np.zeros(0, np.int64)

    def single() -> None:
        for query in queries:
            index.search(query[None], KEEP, nobody)

    versus(lambda: index.search(queries, KEEP, nobody), single, rounds=3)
    benchmark.extra_info["per_query_ms"] = benchmark.extra_info["fast_ms"] / len(queries)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    root, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    write_random_corpus(root, HOURS)
    build_store(root, out)
    return ClipStore.open(out)


def test_base_is_built_many_times_faster_than_it_was_spoken(benchmark, store, tmp_path):
    """Words to segments to rows on the disk, without an audio encoder; `times_real_time` is what counts."""
    (base, _) = retrieval_components(RetrievalConfig())
    numbers = iter(range(100))

    def build() -> None:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        fit_motion_base(base.config, FitContext(store, folder, folder, place=base.place))

    benchmark.pedantic(build, rounds=3, warmup_rounds=1)
    spoken_s = sum(store.n_frames(clip) for clip in store.split("train")) / 30
    benchmark.extra_info |= {"times_real_time": spoken_s / benchmark.stats.stats.median, "spoken_s": spoken_s}


def test_queues_cost_little_of_a_step(benchmark):
    """What a queue of 4096 adds to a training step at full size: `queue_share` is the time of enqueueing and of all
    that is computed with queued features, as a share of the step's.
    """
    module = RetrievalModule(NetworkConfig(), WAVLM, MOTION_WIDTH, 91, 0.07)
    taught = TaughtModule(module, ContrastConfig(queue=QUEUE), epochs=10).train()
    batch = random_batch(torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW([p for p in taught.parameters() if p.requires_grad], 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        taught.losses(batch)["loss"].backward()
        optimizer.step()

    benchmark.pedantic(step, rounds=3, warmup_rounds=1)
    step_ms = 1e3 * benchmark.stats.stats.median
    with_queue, without = _contrast_ms(QUEUE), _contrast_ms(BATCH)
    benchmark.extra_info |= {
        "step_ms": step_ms,
        "queue_ms": with_queue - without,
        "queue_share": (with_queue - without) / step_ms,
    }


def random_batch(generator: torch.Generator) -> dict[str, torch.Tensor]:
    return {
        "audio": torch.randn(BATCH, FRAMES, WAVLM, generator=generator),
        "motion": torch.randn(BATCH, FRAMES, MOTION_WIDTH, generator=generator),
        "frames": torch.full((BATCH,), FRAMES),
        "entry": torch.arange(BATCH),
        "clip": torch.arange(BATCH),
        "start_s": torch.zeros(BATCH),
        "end_s": torch.ones(BATCH),
        "coins": torch.rand(BATCH, 2, generator=generator),
        "progress": torch.zeros(BATCH),
    }


def _contrast_ms(size: int) -> float:
    """Contrast forward and backward and enqueueing with a queue of some size, in milliseconds."""
    queues, ids = albef.Queues(size, JOINT), torch.arange(BATCH)
    rows = [torch.from_numpy(unit(BATCH + k)[:BATCH]).requires_grad_() for k in range(4)]
    tau = torch.tensor(0.07, requires_grad=True)

    def once() -> None:
        albef.contrast((rows[0], rows[1]), (rows[2], rows[3]), queues, ids, tau, 0.4).ita.backward()
        queues.enqueue(rows[2].detach(), rows[3].detach(), ids)

    return _median_ms(once)


def _median_ms(function: Callable[[], None], rounds: int = 9) -> float:
    function()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        function()
        times.append(1e3 * (perf_counter() - start))
    return float(np.median(times))
