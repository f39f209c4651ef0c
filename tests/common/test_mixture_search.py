"""A sampler of four linear predictions: whatever weights made the reference are the optimum, at distance zero."""

import gc
import json

import pytest
import torch
from torch import Tensor

from gesturebench.common.diffusion.mixture import BRANCHES, completed
from gesturebench.common.diffusion.mixture_distance import Reference, distance
from gesturebench.common.diffusion.mixture_points import point_embeddings
from gesturebench.common.diffusion.mixture_refining import Refinement, refine
from gesturebench.common.diffusion.mixture_search import (
    coarse_weights,
    first_level,
    grid_search,
    second_level,
    walked,
)
from gesturebench.common.diffusion.mixture_search_config import FOUND, MixtureSearchConfig, found
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.evaluators.frechet import Moments, frechet_distance

SCHEDULE = Schedule.respaced((3, 3, 2, 1, 1))
FINE_STEPS, CLIPS, WIDTH = 4, 96, 6
SMALL = MixtureSearchConfig(stages="grid", clips=CLIPS, rounds=(24,), bound=2.0, steps=400, linear_steps=40)
WHOLE = SMALL.model_copy(update={"rounds": ()})


class Toy:
    """S_i(x) = x / 2 + u_i + A_i x: every branch pulls each clip somewhere else."""

    def __init__(self, seed: int = 0):
        draw = torch.Generator().manual_seed(seed)
        self.noise = torch.randn(CLIPS, WIDTH, generator=draw, dtype=torch.float64)
        self.pulls = {name: torch.randn(CLIPS, WIDTH, generator=draw, dtype=torch.float64) for name in BRANCHES}
        self.maps = {name: 0.1 * torch.randn(WIDTH, WIDTH, generator=draw, dtype=torch.float64) for name in BRANCHES}
        self.evaluated = 0

    def predict(self, x: Tensor, step: int, needed) -> dict[str, Tensor]:
        self.evaluated += len(needed)
        return {name: 0.5 * x + self.pulls[name][: len(x)] + x @ self.maps[name] for name in needed}

    def split(self, point, clips: int = CLIPS) -> Tensor:
        """States where the coarse steps end."""
        steps = reversed(range(FINE_STEPS, len(SCHEDULE)))
        return walked(self.noise[:clips], self.predict, SCHEDULE, coarse_weights(point), steps)

    def samples(self, point, fine=(1.0, 0.0, 0.0), clips: int = CLIPS) -> Tensor:
        return self.finished(self.split(point, clips), fine)

    def finished(self, states: Tensor, fine) -> Tensor:
        x = walked(states, self.predict, SCHEDULE, completed(fine).tolist(), reversed(range(FINE_STEPS)))
        return torch.tanh(0.3 * x)

    def judge(self, reference: Reference):
        return lambda points, clips: (float(distance(reference, self.samples(p, clips=clips))) for p in points)


@pytest.mark.parametrize("optimum", [(1.0, -1.0), (1.5, -0.5)])
def test_the_grid_finds_the_weights_that_made_the_reference(optimum):
    toy = Toy()
    reference = Reference.of(toy.samples(optimum), SMALL.ridge)
    scored = grid_search(toy.judge(reference), WHOLE)
    assert scored[0].point == optimum
    assert scored[0].distance == pytest.approx(0, abs=1e-9)
    assert scored[1].distance > 1e-4
    assert len(scored) == 25 + 16


def test_a_race_leaves_the_worst_behind_and_is_near_the_whole_grid():
    toy, judged = Toy(1), []
    reference = Reference.of(toy.samples((-0.5, 1.5)), SMALL.ridge)

    def counted(points, clips):
        judged.append(len(points) * clips)
        return toy.judge(reference)(points, clips)

    whole, raced = (grid_search(counted, config) for config in (WHOLE, SMALL))
    assert judged[0] == 25 * 96
    assert judged[2:4] == [25 * 24, 7 * 96]
    assert sum(judged[2:]) < 0.6 * sum(judged[:2])
    assert set(raced) <= set(whole)
    assert raced[0] in whole[:4]


def test_levels_of_the_grid_as_published_and_at_its_border():
    config = MixtureSearchConfig(stages="grid")
    points = first_level(config)
    assert len(points) == len(set(points)) == 121
    assert min(points) == (-5.0, -5.0)
    assert max(points) == (5.0, 5.0)
    near = second_level((5.0, -5.0), config)
    assert set(near) == {(4.5, -4.0), (4.0, -4.5), (4.5, -4.5), (5.0, -4.5), (4.5, -5.0)}
    assert len(second_level((0.0, 1.0), config)) == 16
    assert all(sum(coarse_weights(p)) == 1 and coarse_weights(p)[3] == 0 for p in points)


def test_an_interrupted_grid_samples_only_what_is_missing(tmp_path):
    toy = Toy()
    reference, sampled = Reference.of(toy.samples((1.0, 0.5)), SMALL.ridge), []

    def judge(points, clips):
        for point in points:

            def sample(rows, point=point):
                sampled.append((point, rows.start, rows.stop))
                return toy.samples(point)[rows]

            yield float(distance(reference, point_embeddings(tmp_path, point, clips, 24, sample)))

    class Killed(BaseException):
        pass

    def dying(done: int, total: int) -> None:
        if done == 28:
            raise Killed

    with pytest.raises(Killed):
        grid_search(judge, SMALL, dying)
    interrupted = list(sampled)
    assert interrupted[:2] == [((-2.0, -2.0), 0, 24), ((-2.0, -1.0), 0, 24)]
    assert len(interrupted) == 25 + 3 * 3
    scored, done = grid_search(judge, SMALL), list(sampled)
    assert len(done) == len(set(done))
    assert scored == grid_search(judge, SMALL)
    assert sampled == done


def test_progress_counts_every_judgement_and_ends_at_its_total():
    seen = []
    whole_of_both_levels = SMALL.model_copy(update={"bound": 4.0, "spacing": 2.0, "finer": 1.0})
    toy = Toy()
    reference = Reference.of(toy.samples((0.0, 0.0)), SMALL.ridge)
    grid_search(toy.judge(reference), whole_of_both_levels, lambda done, total: seen.append((done, total)))
    assert seen[0] == (1, 25 + 7 + 16 + 4)
    assert seen[-1] == (52, 52)


def test_a_point_whose_samples_explode_is_last():
    toy = Toy()
    reference = Reference.of(toy.samples((1.0, 0.0)), SMALL.ridge)

    def judge(points, clips):
        for point in points:
            samples = toy.samples(point, clips=clips)
            yield float(distance(reference, samples * (torch.nan if point[0] < 0 else 1)))

    scored = grid_search(judge, WHOLE)
    assert scored[0].point == (1.0, 0.0)
    assert scored[-1].distance == float("inf")


def refined(toy: Toy, target, config: MixtureSearchConfig, **options) -> Refinement:
    states = toy.split((1.0, 0.5))
    reference = Reference.of(toy.finished(states, target), config.ridge)
    start = options.pop("begun", Refinement((1.0, 0.0, 0.0)))
    return refine(lambda w: toy.finished(states, w), lambda e: distance(reference, e), start, config, **options)


def test_the_fine_weights_that_made_the_reference_are_found():
    target = (0.6, -0.4, 1.3)
    config = SMALL.model_copy(update={"steps": 600, "lr": 0.02})
    state = refined(Toy(), target, config)
    theta, best = state.best
    assert theta == pytest.approx(target, abs=0.02)
    assert best < 1e-3 * state.measured[0][2]


def test_a_start_at_the_optimum_is_never_made_worse():
    theta, best = refined(Toy(), (1.0, 0.0, 0.0), SMALL.model_copy(update={"steps": 80})).best
    assert theta == pytest.approx((1.0, 0.0, 0.0), abs=1e-6)
    assert best == pytest.approx(0, abs=1e-9)


def test_the_first_step_follows_the_gradient_through_the_sampler():
    toy, config = Toy(), SMALL.model_copy(update={"steps": 1, "linear_steps": 1, "lr": 1.0, "reach": 10.0})
    states = toy.split((1.0, 0.5))
    reference = Reference.of(toy.finished(states, (0.6, -0.4, 1.3)), config.ridge)
    theta = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    weights = torch.cat((theta, 1 - theta.sum()[None]))
    through = torch.tanh(0.3 * walked(states, toy.predict, SCHEDULE, weights, reversed(range(FINE_STEPS))))
    (gradient,) = torch.autograd.grad(distance(reference, through), theta)
    state = refined(toy, (0.6, -0.4, 1.3), config)
    ours = torch.tensor(state.mean, dtype=torch.float64) / 0.1
    assert torch.allclose(ours, gradient, rtol=1e-3, atol=1e-6)


def test_a_continued_refinement_is_the_whole_one():
    kept: list[Refinement] = []
    whole = refined(Toy(), (0.6, -0.4, 1.3), SMALL, remember=kept.append)
    assert [state.step for state in kept] == list(range(40, 401, 40))
    half = Refinement.from_json(json.loads(json.dumps(kept[5].to_json())))
    assert half == kept[5]
    assert refined(Toy(), (0.6, -0.4, 1.3), SMALL, begun=half) == whole


def test_more_steps_cost_evaluations_but_no_memory():
    """What is alive before each taking of the slopes is the same after four of them."""
    toy, sizes = Toy(), []

    def weigh(state: Refinement) -> None:
        gc.collect()
        sizes.append(sum(x.numel() * x.element_size() for x in gc.get_objects() if type(x) is Tensor))

    refined(toy, (0.6, -0.4, 1.3), SMALL.model_copy(update={"steps": 5, "linear_steps": 1}), remember=weigh)
    assert len(sizes) == 5
    assert max(sizes[1:]) <= sizes[1]
    assert toy.evaluated > 5 * 6 * FINE_STEPS


def test_the_distance_is_the_exact_one_and_has_its_derivative():
    draw = torch.Generator().manual_seed(2)
    a, b = (torch.randn(80, 5, generator=draw, dtype=torch.float64) for _ in range(2))
    b = 1.5 * b + 0.3
    exact = frechet_distance(Moments.of(a.numpy()), Moments.of(b.numpy()))
    assert float(distance(Reference.of(a, 1e-9), b)) == pytest.approx(exact, rel=1e-6)
    reference = Reference.of(a, 1e-3)
    assert torch.autograd.gradcheck(lambda x: distance(reference, x), b[:12].clone().requires_grad_())
    assert float(distance(reference, a)) == pytest.approx(0, abs=1e-9)


def test_fewer_samples_than_dimensions_have_a_finite_distance_and_derivative():
    draw = torch.Generator().manual_seed(3)
    reference = Reference.of(torch.randn(100, 40, generator=draw), 1e-3)
    few = torch.randn(8, 40, generator=draw, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(distance(reference, few), few)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


def test_branches_of_weight_zero_are_never_evaluated():
    toy = Toy()
    toy.samples((1.0, 0.0))
    assert toy.evaluated == len(SCHEDULE)


def test_the_artifact_is_a_policy_and_a_broken_one_is_named(tmp_path):
    weights = {"coarse": [1.5, -0.5, 0.0], "fine": [0.6, -0.4, 1.3], "fine_steps": 10}
    write_json(tmp_path / FOUND, {"mixture": weights, "distance": 1.0})
    policy = found(tmp_path)
    assert policy.policy == "paper"
    assert policy.coarse == (1.5, -0.5, 0.0)
    assert policy.fine_steps == 10
    write_json(tmp_path / FOUND, {"mixture": weights | {"coarse": "high"}})
    with pytest.raises(InputError, match=FOUND):
        found(tmp_path)


def test_stages_share_what_they_have_in_common():
    grid, both = (MixtureSearchConfig(stages=stages, lr=lr) for stages, lr in (("grid", 1e-2), ("fine", 5e-2)))
    assert grid.of_grid() == both.of_grid()
    assert grid.model_dump(mode="json") != both.model_dump(mode="json")
    assert MixtureSearchConfig(lr=9).model_dump(mode="json") == {"stages": "none"}
    assert grid.model_dump(mode="json") == MixtureSearchConfig(stages="grid", lr=7).model_dump(mode="json")
    with pytest.raises(InputError, match="rounds that grow from 2 clips at least to fewer than clips = 16"):
        MixtureSearchConfig.parse({"clips": 16}, "search")
