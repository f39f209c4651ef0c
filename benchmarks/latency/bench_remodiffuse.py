"""ReMoDiffuse's sampler beside the released loop, at the published size: 196 frames of 263 numbers, 50 steps, 77 prompt
tokens and two retrieved samples.

What is asked for is the ratio of wall times; CPU times, the GFLOP of both sides and the number of branches that each
evaluates stand beside it. `GESTUREBENCH_BENCH_DDIM_STEPS` and `GESTUREBENCH_BENCH_THREADS` as for RAG-Gesture.
"""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.mixture import ConditionMixture, MixtureConfig
from gesturebench.common.diffusion.respacing import PUBLISHED
from gesturebench.common.diffusion.schedule import Schedule, linear_betas
from gesturebench.methods.remodiffuse.branches import PreparedBranches
from gesturebench.methods.remodiffuse.denoiser import CONDITIONS, Denoiser
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig
from gesturebench.methods.remodiffuse.published import FEATURES, FRAMES, TEXT
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved

from . import released_remodiffuse as released
from .paper_rag_gesture import STEPS, drawn, randomised, side_by_side, threads

SAMPLES, TOKENS = 2, 77
RELEASED = MixtureConfig(
    policy="released", coarse_scale=6.5, fine=(0.52351, -0.28419, 2.39872)
)  # as published for HumanML3D


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    with threads():
        yield


@pytest.fixture(scope="module")
def network() -> Denoiser:
    torch.manual_seed(0)
    return randomised(Denoiser(DenoiserConfig(), features=FEATURES, frames=FRAMES, text=TEXT), seed=1)


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    return Schedule.respaced(PUBLISHED if STEPS == 50 else f"ddim{STEPS}", linear_betas())


@torch.no_grad()
def told(network: Denoiser, clips: int) -> SimpleNamespace:
    """Encoded prompts and samples, of which the second is shorter than the window; every second clip is shorter too."""
    motions = drawn(clips, SAMPLES, FRAMES, FEATURES, seed=2)
    real, mask = torch.ones(clips, SAMPLES, FRAMES), torch.ones(clips, FRAMES)
    real[:, 1, 120:], mask[1::2, 150:] = 0, 0
    retrieved = network.database(motions * real[..., None], real, drawn(clips, SAMPLES, TOKENS, TEXT, seed=3))
    return SimpleNamespace(
        prompt=network.encode_prompt(drawn(clips, TOKENS, TEXT, seed=4)), retrieved=retrieved, mask=mask
    )


@torch.no_grad()
def ours(
    network: Denoiser,
    noise: Tensor,
    known: SimpleNamespace,
    schedule: Schedule,
    mixture: ConditionMixture,
    coins: Sequence[int],
) -> Tensor:
    """Branches are prepared anew for every call."""
    retrieved: Retrieved = known.retrieved
    branches = PreparedBranches(network, known.prompt, retrieved, known.mask, None, None, schedule.timesteps)

    def predict(x: Tensor, step: int) -> Tensor:
        needed = mixture.needed(step, coins[step])
        return mixture.mix(step, branches.predict(x, step, needed), coins[step])

    return ddim.sample(predict, noise, schedule)


@pytest.mark.parametrize(("clips", "rounds"), [(1, 3), (4, 1)])
def test_released_mixture(clips, rounds, versus, benchmark, network, schedule):
    noise, known = drawn(clips, FRAMES, FEATURES, seed=5), told(network, clips)
    mixture = ConditionMixture(RELEASED, schedule.timesteps)
    coins = torch.randint(2, (len(schedule),), generator=torch.Generator().manual_seed(6)).tolist()
    conditions = known.prompt, known.retrieved, known.mask
    ratio = side_by_side(
        versus,
        benchmark,
        lambda: ours(network, noise, known, schedule, mixture, coins),
        lambda: released.sample(network, noise, *conditions, schedule, mixture, coins),
        rounds=rounds,
    )
    evaluated = sum(len(mixture.needed(step, coins[step])) for step in range(len(schedule)))
    benchmark.extra_info |= {"branches": evaluated, "branches_released": len(CONDITIONS) * len(schedule)}
    assert evaluated == mixture.evaluations
    assert STEPS != 50 or evaluated == 116
    assert benchmark.extra_info["gap"] <= 1e-4
    assert ratio >= 2.5
