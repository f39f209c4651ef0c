"""A condition mixture in place of the two-branch mix: what it reduces to, what it refuses, what it leaves alone."""

import numpy as np
import pytest
import torch

from gesturebench.benchmarks.overrides import opened
from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.guidance import coarse_to_fine_weights
from gesturebench.common.diffusion.respacing import kept_timesteps
from gesturebench.common.errors import InputError
from gesturebench.methods.rag_gesture.config import PRESETS, RagGestureConfig
from gesturebench.methods.rag_gesture.method import RagGesture
from gesturebench.methods.rag_gesture.mixing import mixed_step, two_branches

GUIDED = {"retrieval": {"strategy": "discourse", "window_stride": 30}, "guidance": {"mode": "paper"}}
TODAY = {"coarse": 6.5, "late": (0.23932, 0.76068)}


@pytest.fixture(autouse=True)
def _inverted_anew(monkeypatch):
    monkeypatch.setenv("GESTUREBENCH_INVERSIONS_GB", "0")


@pytest.fixture(scope="module")
def speeches(store):
    return [s for s in map(store.speech, store.split("test")) if s.relations][:2]


def poses(small, speeches, **overrides) -> list[np.ndarray]:
    return [motion.poses for motion in small.load("rag_gesture", **overrides).generate(speeches, seed=0)]


def gap(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


def table(small) -> list[list[float]]:
    """Today's weights with all of them on what is guided."""
    timesteps = kept_timesteps(small.config("rag_gesture").sampling.sections)
    pairs = (coarse_to_fine_weights(t, **TODAY) for t in timesteps)
    return [[told, 0.0, untold, 0.0] for told, untold in pairs]


def test_todays_guidance_is_the_mixture_of_the_guided_branches(small, speeches):
    today = poses(small, speeches, **GUIDED)
    fixed = poses(small, speeches, **GUIDED, mixture={"policy": "fixed", "table": table(small)})
    assert gap(today, fixed) < 1e-5
    other = poses(small, speeches, **GUIDED, mixture={"policy": "released", "coarse_scale": 6.5})
    assert gap(today, other) > 1e-3


def test_a_mixture_without_retrieval_is_guidance_by_the_prompt_alone(small, speeches):
    constant = {"coarse_scale": 0.0, "late_weights": (1.0, 0.0)}
    unguided = poses(small, speeches, sampling=constant)
    assert gap(unguided, poses(small, speeches, mixture={"policy": "cfg_text", "scale": 1.0})) < 1e-5
    assert gap(unguided, poses(small, speeches, mixture={"policy": "cfg_text", "scale": 2.5})) > 1e-3


@pytest.mark.parametrize("policy", ["released", "paper", "both_only"])
def test_a_sample_does_not_depend_on_its_batch(small, speeches, policy):
    method = small.load("rag_gesture", **GUIDED, mixture={"policy": policy, "fine_steps": 3, "fine": (0.5, 0.5, 1.0)})
    together = method.generate(speeches, seed=1)
    alone = [method.generate([speech], seed=1)[0] for speech in speeches]
    assert gap([m.poses for m in together], [m.poses for m in alone]) < 1e-5
    assert all(np.isfinite(motion.poses).all() for motion in together)


def test_the_mixed_step_is_the_mean_of_the_branches_steps():
    draw = torch.Generator().manual_seed(0)
    guided, alone, told, untold = torch.randn(4, 2, 5, 3, generator=draw, dtype=torch.float64)
    weights = np.array([0.7, -0.4, 1.1, -0.4])

    def branch(state: torch.Tensor, speech: bool) -> torch.Tensor:
        return torch.tanh(state) + (told if speech else untold)

    def predict(state: torch.Tensor, w: float, u: float) -> torch.Tensor:
        return w * branch(state, True) + u * branch(state, False)

    state, x0 = mixed_step(weights, guided, alone, predict)
    branches = ((guided, True), (alone, True), (guided, False), (alone, False))
    steps = [ddim.move(start, branch(start, speech), 0.3, 0.6) for start, speech in branches]
    expected = sum(w * step for w, step in zip(weights, steps))
    assert torch.allclose(ddim.move(state, x0, 0.3, 0.6), expected, atol=1e-12)


@pytest.mark.parametrize(("weights", "calls"), [((2, 0, -1, 0), 1), ((0, 2, 0, -1), 1), ((1, 1, -1, 0), 2)])
def test_a_state_that_nothing_weighs_is_not_shown_to_the_network(weights, calls):
    seen = []
    guided, alone = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)

    def predict(state: torch.Tensor, w: float, u: float) -> torch.Tensor:
        seen.append((float(state.mean()), w, u))
        return (w + u) * state

    mixed_step(weights, guided, alone, predict)
    assert len(seen) == calls
    mixed_step(weights, guided, None, predict)
    assert seen[calls:] == [(1.0, *two_branches(weights))]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mixture": {"policy": "released"}}, "'released'.*'both'.*no retrieval.*cfg_text"),
        (
            {"mixture": {"policy": "released"}, "retrieval": {"strategy": "discourse"}},
            r"'released' with guidance\.mode = 'none'.*set guidance\.mode=paper",
        ),
        ({"mixture": {"policy": "paper", "fine_steps": 10}, **GUIDED}, "fine_steps = 10; expected fewer than the 10"),
        ({"mixture": {"policy": "both"}}, "did you mean 'both_only'"),
    ],
)
def test_a_mixture_of_what_is_not_there_is_refused_by_name(values, says):
    with pytest.raises(InputError, match=says):
        PRESETS["tiny"].updated(values)


def test_runs_without_a_mixture_keep_their_keys():
    plain = PRESETS["tiny"]
    mixed = plain.updated({**GUIDED, "mixture": {"policy": "released"}})
    assert plain.mixture is None
    assert "mixture" not in plain.model_dump(mode="json")
    assert mixed.model_dump(mode="json")["mixture"] == {
        "policy": "released",
        "coarse_scale": 4.0,
        "fine": [1.0, 0.0, 0.0],
    }
    assert RagGestureConfig.parse(mixed.model_dump(mode="json")) == mixed
    assert RagGesture.components(plain) == RagGesture.components(mixed)


def test_the_name_of_the_section_stands_for_its_policy():
    assert opened({"mixture": "released"}, RagGestureConfig) == {"mixture": {"policy": "released"}}
    assert opened({"mixture.scale": 2}, RagGestureConfig) == {"mixture": {"scale": 2}}
