"""DiffuseStyleGesture's sampler beside the released loop: windows of 150 frames, width 384, eight layers; one clip, and
four, which ours takes at once and the released loop one after another.

Two sizes: ours on BEAT2 (333 features, WavLM), and the one published for BEAT (2052 features, 1434 of speech). Both
sides take the same steps with the same noise. DDIM takes all its 50 steps. Of the 1000 of DDPM the cleanest 50 are
taken, as one costs what another does; `GESTUREBENCH_BENCH_DDPM_STEPS=1000` takes all (half an hour for four clips, or
more). `GESTUREBENCH_BENCH_THREADS` says on how many threads, `GESTUREBENCH_BENCH_ROUNDS` (default 3) how often.

What no step changes is at most a tenth of the products, the rest are products of the transformer that both sides need:
`floor` measures these alone, with packed weights, and bounds what any arrangement of the same arithmetic could reach.
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
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.common.nn.packed import PrepackedLinear
from gesturebench.common.seeds import torch_generator

from . import plain_cross_local as plain
from .paper_rag_gesture import CpuTimed, side_by_side, threads

CLIPS, STYLES = 4, 25
ROUNDS = int(os.environ.get("GESTUREBENCH_BENCH_ROUNDS", "3"))
STEPS = {"ddim": 50, "ddpm": int(os.environ.get("GESTUREBENCH_BENCH_DDPM_STEPS", "50"))}
SIZES = {"beat2": (333, 1024), "published": (2052, 1434)}
"""Features of motion and of speech."""


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    with threads():
        yield


def network_of(size: str) -> CrossLocalDenoiser:
    torch.manual_seed(0)
    features, audio = SIZES[size]
    sizes = CrossLocalSizes().of(features=features, audio_features=audio, styles=STYLES)
    network = CrossLocalDenoiser(sizes).eval().requires_grad_(False)
    for layer in network.seqTransEncoder.layers:
        layer.self_attn.in_proj_bias.normal_()  # it starts at zero, which would hide where it goes
    return network


def told(clips: int, features: int, audio: int) -> tuple[Tensor, Tensor, Tensor]:
    draw, sizes = torch_generator("bench cross local"), CrossLocalSizes()
    heard = torch.randn(clips, sizes.frames, audio, generator=draw)
    return heard, torch.eye(STYLES)[:clips], torch.randn(clips, sizes.seed_frames, features, generator=draw)


def schedule_of(sampler: str) -> Schedule:
    """All of DDIM's steps, the cleanest of DDPM's."""
    steps = STEPS[sampler]
    if sampler == "ddim":
        return cosine_schedule(steps)
    whole = cosine_schedule()
    return Schedule(whole.timesteps[:steps], whole.alpha_bar[:steps])


def noises(rows: range, shape: tuple[int, int]) -> Draws:
    return Draws([torch_generator("bench cross local", row) for row in rows], shape)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sampler", STEPS)
@pytest.mark.parametrize("clips", [1, CLIPS])
def test_sampling(clips, sampler, size, versus, benchmark):
    network, schedule, known = network_of(size), schedule_of(sampler), told(clips, *SIZES[size])
    released, shape = plain.PlainDenoiser(network), (network.config.frames, SIZES[size][0])

    def ours() -> Tensor:
        noise = noises(range(clips), shape)
        prepared = PreparedDenoiser(network, *known, schedule.timesteps)
        return sample(prepared, noise(), schedule, sampler, noise)

    def theirs() -> Tensor:
        drawn: list[Callable[[], Tensor]] = [noises(range(row, row + 1), shape) for row in range(clips)]
        each = list(zip(*(part.split(1) for part in known)))
        return plain.sample(released, drawn, each, schedule, eta=float(sampler == "ddpm"))

    side_by_side(versus, benchmark, ours, theirs, rounds=ROUNDS)
    benchmark.extra_info |= {"clips": clips, "steps": len(schedule), "threads": torch.get_num_threads()}


@pytest.mark.parametrize("size", SIZES)
def test_floor(size, benchmark):
    """The matrix products that a step of one clip cannot do without, and nothing else, beside a whole step of ours."""
    network, known = network_of(size), told(1, *SIZES[size])
    prepared = PreparedDenoiser(network, *known, [500])
    step = CpuTimed(lambda: prepared(known[0].new_zeros(1, network.config.frames, SIZES[size][0]), 0))
    bare = CpuTimed(products(network))
    for _ in range(10):
        step(), bare()
    benchmark.extra_info |= {"cpu_floor_ms": 1e3 * bare.median(), "cpu_step_ms": 1e3 * step.median()}
    benchmark.pedantic(bare, rounds=5)


def products(network: CrossLocalDenoiser) -> Callable[[], None]:
    """Packed, without biases: the maps of motion, those of the layers, and of their attention scores and sums."""
    linear, config, frames = PrepackedLinear(), network.config, network.config.frames
    motion, rows = torch.randn(1, frames, config.features), torch.randn(1, frames + 1, config.latent)
    hidden = torch.randn(1, frames + 1, config.feed_forward)
    query = torch.randn(config.heads, frames + 1, config.latent // config.heads)

    def run() -> None:
        linear(motion, network.input_process.poseEmbedding.weight)
        for layer in network.seqTransEncoder.layers:
            linear(rows, layer.self_attn.in_proj_weight)
            (query @ query.transpose(1, 2)) @ query
            linear(rows, layer.self_attn.out_proj.weight)
            linear(rows, layer.linear1.weight)
            linear(hidden, layer.linear2.weight)
        linear(rows[:, 1:], network.output_process.poseFinal.weight)

    return run
