"""RAG-Gesture's sampler, part VAEs and inserted gestures beside the released algorithm, at the published size.

Two threads; a full run takes minutes. What is asked for are ratios of wall time; CPU times and the GFLOP of both
sides stand beside them, because machines are shared.
"""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from gesturebench.common.array_cache import ArrayCache
from gesturebench.common.codecs.fast_decoding import FastDecoder, decoded
from gesturebench.common.diffusion.guidance import iterations
from gesturebench.methods.rag_gesture.config import GuidanceConfig
from gesturebench.methods.rag_gesture.sampler import LatentSampler
from gesturebench.methods.rag_gesture.steering import Insertion

from . import released_rag_gesture as released
from .paper_rag_gesture import (
    LAYOUT,
    NEEDED_GFLOP,
    SAMPLING,
    STEPS,
    WIDTH,
    drawn,
    matmul_peak,
    noise,
    paper_denoiser,
    paper_vaes,
    peak_growth_mb,
    side_by_side,
    threads,
    told,
)

GUIDANCE = GuidanceConfig(mode="paper", schedule="decreasing_till_25")
BATCH = 8
FRAMES = 150
SOURCE, TARGETS = (3, 6), ((1, 4), (6, 9))
"""Slots of each retrieved window that are inserted, and where the two come to stand."""


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    with threads():
        yield


@pytest.fixture(scope="module")
def network() -> SimpleNamespace:
    denoiser = paper_denoiser()
    with threads():
        sampler = LatentSampler(denoiser, SAMPLING)
    return SimpleNamespace(denoiser=denoiser, sampler=sampler, schedule=sampler.schedule)


@pytest.fixture(scope="module")
def codecs() -> SimpleNamespace:
    plain, laid_out = paper_vaes()
    return SimpleNamespace(plain=plain, vaes=laid_out, decoders={part: FastDecoder(v) for part, v in laid_out.items()})


def test_one_clip(versus, benchmark, network):
    start, known = noise(1), told(1)
    peak = matmul_peak()
    ratio = side_by_side(
        versus,
        benchmark,
        lambda: network.sampler.sample(start, known),
        lambda: released.sample(network.denoiser, start, known, network.schedule),
        rounds=2,
    )
    peaks, extra = zip(peak, matmul_peak(), strict=True), benchmark.extra_info
    floors = [STEPS * NEEDED_GFLOP / max(side) for side in peaks]
    extra |= {"floor_s": floors[0], "times_floor": extra["fast_ms"] / 1e3 / floors[0]}
    extra |= {"cpu_floor_s": floors[1], "cpu_times_floor": extra["cpu_fast_s"] / floors[1]}
    assert ratio >= 3.5
    assert extra["times_floor"] <= 2.5


def test_batch_of_clips(versus, benchmark, network):
    """Per clip, against clips that are sampled alone, as released."""
    start, known = noise(BATCH), told(BATCH)
    ratio = side_by_side(
        versus,
        benchmark,
        lambda: network.sampler.sample(start, known),
        lambda: released.sample(network.denoiser, start[:1], known.rows(slice(0, 1)), network.schedule),
        rounds=2,
    )
    benchmark.extra_info |= {"ratio_per_clip": BATCH * ratio, "clips": BATCH}
    assert BATCH * ratio >= 5


@pytest.mark.parametrize("clips", [1, BATCH])
def test_memory_per_clip(benchmark, network, clips):
    """Beside the weights: what the process grows by while it samples."""
    start, known = noise(clips), told(clips)
    network.sampler.sample(start, known)
    grown = peak_growth_mb(lambda: network.sampler.sample(start, known))
    benchmark.extra_info["mb_per_clip"] = "unknown" if grown is None else grown / clips
    benchmark.pedantic(lambda: None)


def test_decoding_a_clip(versus, benchmark, codecs):
    latents = LAYOUT.join([drawn(1, LAYOUT.slots, WIDTH, seed=10 + k) for k in range(len(codecs.vaes))])
    ratio = side_by_side(
        versus, benchmark, lambda: motion(codecs, latents), lambda: released_motion(codecs, latents), rounds=7
    )
    assert ratio >= 1.5


def motion(codecs, latents_BTL: Tensor) -> Tensor:
    """All features of all parts, side by side."""
    parts = dict(zip(codecs.decoders, LAYOUT.split(latents_BTL), strict=True))
    return torch.cat([part.flatten(1) for part in decoded(codecs.decoders, parts).values()], 1)


def released_motion(codecs, latents_BTL: Tensor) -> Tensor:
    """One part after another."""
    parts = zip(codecs.plain.values(), LAYOUT.split(latents_BTL), strict=True)
    return torch.cat([released.decode(vae, z).flatten(1) for vae, z in parts], 1)


@pytest.fixture(scope="module")
def retrieved(codecs) -> SimpleNamespace:
    """Two windows of the database: features per part, the posterior's noise, and their conditions."""
    features = {
        part: drawn(2, FRAMES, v.skel_embedding.in_features, seed=20 + k)
        for k, (part, v) in enumerate(codecs.vaes.items())
    }
    eps = {part: drawn(2, LAYOUT.slots, WIDTH, seed=30 + k) for k, part in enumerate(codecs.vaes)}
    return SimpleNamespace(features=features, eps=eps, told=told(2, seed=40))


def encoded(vaes, retrieved, rows: slice) -> Tensor:
    """(B, T, L) posterior samples."""
    parts = []
    for part, vae in vaes.items():
        mean, log_variance = vae.posterior(retrieved.features[part][rows])
        parts.append(mean + torch.exp(0.5 * log_variance) * retrieved.eps[part][rows])
    return LAYOUT.join(parts)


def placed(levels_SBTL: Tensor) -> Insertion:
    """(S + 1, 2, T, L) -> both windows in one clip."""
    source = LAYOUT.tokens_of(*SOURCE)
    row = [(LAYOUT.tokens_of(*target), levels_SBTL[:, k, source]) for k, target in enumerate(TARGETS)]
    return Insertion.placed([row], LAYOUT.tokens)


def ours(network, codecs, levels: Tensor) -> Tensor:
    insertion, start = placed(levels), insertion_noise()
    changes = [insertion.guidance(GUIDANCE)]
    return motion(codecs, network.sampler.sample(insertion.initialise(start), told(1), changes))


def theirs(network, codecs, retrieved) -> Tensor:
    with torch.no_grad():
        latents = torch.cat([encoded(codecs.plain, retrieved, slice(k, k + 1)) for k in range(2)])
    inverted = released.invert_one_by_one(network.denoiser, latents, retrieved.told, network.schedule)
    insertion, start = placed(torch.cat((latents[None], inverted))), insertion_noise()
    counts = iterations(GUIDANCE.schedule, len(network.schedule))
    steer = released.gradient_guidance(insertion.levels, insertion.mask, counts, GUIDANCE.lr)
    begun = insertion.initialise(start)
    return released_motion(codecs, released.sample(network.denoiser, begun, told(1), network.schedule, steer))


def insertion_noise() -> Tensor:
    return noise(1, seed=50)


def test_two_retrieved_windows_cold(versus, benchmark, network, codecs, retrieved):
    """Encoded, inverted in one batch, inserted with guidance, decoded."""

    def cold() -> Tensor:
        with torch.no_grad():
            latents = encoded(codecs.vaes, retrieved, slice(0, 2))
        return ours(network, codecs, network.sampler.invert(latents, retrieved.told))

    assert side_by_side(versus, benchmark, cold, lambda: theirs(network, codecs, retrieved), rounds=1) >= 3


def test_two_retrieved_windows_warm(versus, benchmark, network, codecs, retrieved, tmp_path):
    """Inversions read from the disk."""
    cache, tokens = ArrayCache(tmp_path, 10**9), LAYOUT.tokens_of(0, LAYOUT.slots)
    with torch.no_grad():
        levels = network.sampler.invert(encoded(codecs.vaes, retrieved, slice(0, 2)), retrieved.told)
    for k in range(2):
        cache.put(f"{k}", levels[:, k, tokens].numpy())

    def warm() -> Tensor:
        read = torch.zeros(len(levels), 2, LAYOUT.tokens, WIDTH)
        read[:, :, tokens] = torch.from_numpy(np.stack([cache.get(f"{k}") for k in range(2)], 1))
        return ours(network, codecs, read)

    assert side_by_side(versus, benchmark, warm, lambda: theirs(network, codecs, retrieved), rounds=1) >= 6
