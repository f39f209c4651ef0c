"""DiffuseStyleGesture's sampler beside the released loop: windows of eight clips, 150 frames, width 384, eight layers.

Two sizes: ours on BEAT2 (333 features, WavLM), and the one published for BEAT (2052 features, 1434 of speech). Both
sides take the same steps with the same noise; the released loop takes one clip after another, as it was written.

What no step changes is at most a tenth of its products, the rest are matrix products of the transformer that both sides
need: the ratio is mostly how much better those of eight clips go, and there is little left where those of one reach the
processor's peak. `GESTUREBENCH_BENCH_DDIM_STEPS` (default 50) and `GESTUREBENCH_BENCH_DDPM_STEPS` (default 1000, for
which leave an hour) say how many steps are taken, `GESTUREBENCH_BENCH_THREADS` on how many threads.
"""

import os
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from gesturebench.common.cross_local.config import CrossLocalSizes
from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.cross_local.diffusion import Draws, cosine_schedule, sample
from gesturebench.common.cross_local.fast import PreparedDenoiser
from gesturebench.common.seeds import torch_generator

from . import plain_cross_local as plain
from .paper_rag_gesture import side_by_side, threads

CLIPS, STYLES = 8, 25
STEPS = {
    "ddim": int(os.environ.get("GESTUREBENCH_BENCH_DDIM_STEPS", "50")),
    "ddpm": int(os.environ.get("GESTUREBENCH_BENCH_DDPM_STEPS", "1000")),
}
SIZES = {"beat2": (333, 1024), "published": (2052, 1434)}
"""Features of motion and of speech."""


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    with threads():
        yield


def told(features: int, audio: int) -> tuple[Tensor, Tensor, Tensor]:
    draw, sizes = torch_generator("bench cross local"), CrossLocalSizes()
    heard = torch.randn(CLIPS, sizes.frames, audio, generator=draw)
    return heard, torch.eye(STYLES)[:CLIPS], torch.randn(CLIPS, sizes.seed_frames, features, generator=draw)


def noises(rows: range, shape: tuple[int, int]) -> Draws:
    return Draws([torch_generator("bench cross local", row) for row in rows], shape)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sampler", STEPS)
def test_sampling(sampler, size, versus, benchmark):
    torch.manual_seed(0)
    features, audio = SIZES[size]
    sizes = CrossLocalSizes().of(features=features, audio_features=audio, styles=STYLES)
    network = CrossLocalDenoiser(sizes).eval().requires_grad_(False)
    schedule, known, shape = cosine_schedule(STEPS[sampler]), told(features, audio), (sizes.frames, features)
    released = plain.PlainDenoiser(network)

    def ours() -> Tensor:
        noise = noises(range(CLIPS), shape)
        prepared = PreparedDenoiser(network, *known, schedule.timesteps)
        return sample(prepared, noise(), schedule, sampler, noise)

    def theirs() -> Tensor:
        drawn: list[Callable[[], Tensor]] = [noises(range(row, row + 1), shape) for row in range(CLIPS)]
        each = list(zip(*(part.split(1) for part in known)))
        return plain.sample(released, drawn, each, schedule, eta=float(sampler == "ddpm"))

    ratio = side_by_side(versus, benchmark, ours, theirs, rounds=3 if STEPS[sampler] <= 50 else 1)
    benchmark.extra_info |= {"clips": CLIPS, "steps": len(schedule), "threads": torch.get_num_threads()}
    assert benchmark.extra_info["gap"] <= 1e-4
    assert ratio > 1
