"""RAG-Gesture at the published size with random weights, and what its benchmarks count beside wall time.

`GESTUREBENCH_BENCH_DDIM_STEPS` replaces the published 50 steps by fewer, evenly spaced ones, and
`GESTUREBENCH_BENCH_THREADS` the two threads: on a machine that others use, threads that wait for each other tell
little.
"""

import copy
import ctypes
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.codecs.part_vae import PartVAE
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.methods.rag_gesture.config import DenoiserConfig, SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser
from gesturebench.methods.rag_gesture.layout import TokenLayout

THREADS = int(os.environ.get("GESTUREBENCH_BENCH_THREADS", "2"))
STEPS = int(os.environ.get("GESTUREBENCH_BENCH_DDIM_STEPS", "50"))
SAMPLING = SamplingConfig() if STEPS == 50 else SamplingConfig(sections=f"ddim{STEPS}")
LAYOUT = TokenLayout(10)
WIDTH, TEXT_ROWS, AUDIO_ROWS, CONDITION_WIDTH = 512, 150, 499, 768
NEEDED_GFLOP = 5.2
"""Of one guided step, as published code computes it less what changes nothing (keys and values of a clip formed once,
dropped and speaker conditions in closed form, tables for the timestep)."""


@contextmanager
def threads(count: int = THREADS) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def randomised(module: nn.Module, seed: int) -> nn.Module:
    """Layers that start at zero get weights like the others."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and not layer.weight.any():
            layer.weight.data.normal_(std=layer.in_features**-0.5, generator=generator)
    return module.eval().requires_grad_(False)


def paper_denoiser() -> Denoiser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        width = CONDITION_WIDTH
        config = DenoiserConfig(query_mask="released")
        return randomised(Denoiser(config, LAYOUT, latent=WIDTH, text=width, audio=width), 1)


def paper_vaes() -> tuple[dict[str, PartVAE], dict[str, PartVAE]]:
    """Twice the same four: what is fast lays weights out anew."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        vaes = {
            part: randomised(PartVAE(PartVAEConfig(heads=8 if part == "lower" else 4), features), 3)
            for part, features in PART_FEATURES.items()
        }
    return vaes, copy.deepcopy(vaes)


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def told(clips: int, seed: int = 4) -> Conditions:
    text = drawn(clips, TEXT_ROWS, CONDITION_WIDTH, seed=seed)
    audio = drawn(clips, AUDIO_ROWS, CONDITION_WIDTH, seed=seed + 1)
    return Conditions(text, audio, torch.arange(clips) % 25)


def noise(clips: int, seed: int = 6) -> Tensor:
    return drawn(clips, LAYOUT.tokens, WIDTH, seed=seed)


def assert_equal(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4) -> float:
    """The largest difference over the largest value, and that it is small."""
    gap = float((ours - theirs).abs().max() / theirs.abs().max())
    assert gap <= tolerance
    return gap


class CpuTimed:
    """A function that remembers the CPU time, in seconds, of each of its calls: other people's load hardly enters."""

    def __init__(self, function: Callable[[], Any]):
        self._function, self.seconds = function, []

    def __call__(self) -> Any:
        start = time.process_time()
        result = self._function()
        self.seconds.append(time.process_time() - start)
        return result

    def median(self) -> float:
        return statistics.median(self.seconds)


def side_by_side(versus: Callable[..., float], benchmark: Any, fast: Any, slow: Any, rounds: int) -> float:
    """The ratio of wall times of two ways to one tensor; what else is known of both goes to the report."""
    (ours, our_gflop), (theirs, their_gflop) = counted(fast), counted(slow)
    gap = assert_equal(ours[: len(theirs)], theirs)
    fast, slow = CpuTimed(fast), CpuTimed(slow)
    ratio = versus(fast, slow, rounds=rounds)
    benchmark.extra_info |= {
        "cpu_ratio": slow.median() / fast.median(),
        "cpu_fast_s": fast.median(),
        "cpu_slow_s": slow.median(),
        "gflop_fast": our_gflop,
        "gflop_slow": their_gflop,
        "gap": gap,
    }
    return ratio


def counted(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call and the GFLOP of its matrix products, which are counted on this thread alone."""
    packed = {torch.ops.mkl._mkl_linear: packed_flop} if torch.backends.mkl.is_available() else {}
    with threads(1), FlopCounterMode(display=False, custom_mapping=packed) as counter:
        result = function()
    return result, counter.get_total_flops() / 1e9


def packed_flop(x: Sequence[int], _packed: Any, weight_NK: Sequence[int], *_: Any, **__: Any) -> int:
    """Of shapes; torch counts the linear map itself, but not the one with packed weights."""
    return 2 * math.prod(x) * weight_NK[0]


class Peak(NamedTuple):
    """GFLOP of matrix products per second of wall time, and per second of CPU time of all threads."""

    wall: float
    cpu: float


def matmul_peak(rounds: int = 5, size: int = 2048) -> Peak:
    """The best of a few large products, at torch's present number of threads."""
    a, b = drawn(size, size, seed=8), drawn(size, size, seed=9)
    best = Peak(0.0, 0.0)
    for _ in range(rounds + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        a @ b
        spent = time.perf_counter() - wall, time.process_time() - cpu
        best = Peak(*(max(old, 2e-9 * size**3 / s) for old, s in zip(best, spent, strict=True)))
    return best


def peak_growth_mb(function: Callable[[], Any]) -> float | None:
    """How far the process' memory rises above what it holds before the call; None where Linux does not tell."""
    status = Path("/proc/self/status")
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier calls freed would be used again unseen
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark falls to the present level
        before = _kilobytes(status, "VmRSS")
        function()
        return (_kilobytes(status, "VmHWM") - before) / 1024
    except OSError:
        return None


def _kilobytes(status: Path, field: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(field))
