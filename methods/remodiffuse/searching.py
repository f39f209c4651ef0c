"""The steps that search for a condition mixture on the training split, with everything trained frozen.

Legend: B clips, T frames, F features, D dimensions of the embedding.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.device import device
from gesturebench.common.diffusion.mixture import completed
from gesturebench.common.diffusion.mixture_distance import Reference, distance
from gesturebench.common.diffusion.mixture_points import batches, point_embeddings
from gesturebench.common.diffusion.mixture_refining import Refinement, refine
from gesturebench.common.diffusion.mixture_search import Point, coarse_weights, grid_search, walked
from gesturebench.common.diffusion.mixture_search_config import FOUND, found
from gesturebench.common.embedding.config import NAME as EVALUATOR
from gesturebench.common.embedding.embed import embed_motion
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json, write_npz
from gesturebench.common.fitting import FitContext
from gesturebench.common.parallel import over_processes
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.remodiffuse.branches import Branches
from gesturebench.methods.remodiffuse.components import AUDIOS, NETWORK, TEXTS
from gesturebench.methods.remodiffuse.conditions import CorpusTeller
from gesturebench.methods.remodiffuse.config import RemodiffuseConfig
from gesturebench.methods.remodiffuse.database import PhraseDatabase
from gesturebench.methods.remodiffuse.fitting import build_network, prepared
from gesturebench.methods.remodiffuse.retrieval_components import MOTION
from gesturebench.methods.remodiffuse.sampler import MixedSampler
from gesturebench.methods.remodiffuse.samples import Samples
from gesturebench.methods.remodiffuse.searching_config import GRID
from gesturebench.methods.remodiffuse.training_motion import TrainingMotion
from gesturebench.methods.remodiffuse.windows import TrainingWindows

POINTS, STATES, PROGRESS = "points", "states.npz", "refinement.json"


@dataclass(frozen=True, eq=False)
class Search:
    """What every process that searches is told: all of it small."""

    values: Mapping[str, Any]
    upstream: Mapping[str, Path]
    store: ClipStore
    seed: int
    work: Path

    @classmethod
    def of(cls, values: Mapping[str, Any], context: FitContext) -> "Search":
        return cls(dict(values), dict(context.upstream), context.store, context.seed, context.work)

    @property
    def config(self) -> RemodiffuseConfig:
        values = dict(self.values)
        return RemodiffuseConfig.parse({**values, "sampling": {**values["sampling"], "overlap": 1}}, "remodiffuse")


class Candidates:
    """Samples of `clips` training windows under any weights: each window has its noise, whatever the weights."""

    def __init__(self, search: Search, clips: int):
        config = self.config = search.config
        upstream, seed = search.upstream, search.seed
        network = build_network(config)
        load_weights(network.requires_grad_(False), upstream[NETWORK])
        self._sampler = MixedSampler(network.to(device()), config.sampling)
        self.fine_steps, self.steps = config.mixture.fine_steps, len(self._sampler.schedule)
        self._told = CorpusTeller(
            search.store, config.conditions, *(prepared(upstream, name) for name in (TEXTS, AUDIOS))
        )
        self._database = PhraseDatabase.load(config, upstream)
        training = TrainingMotion(upstream[MOTION])
        self._windows = TrainingWindows(training, config.motion.frames, config.motion.stride)
        self._standard, self._evaluator = training.standard, upstream[EVALUATOR]
        self._chosen = self._windows.draw(clips, torch_generator("mixture windows", seed))
        self._frames = self._windows.motion(self._chosen)[1].sum(1).long()
        self._seed, self._shape = seed, (config.motion.frames, training.width)
        self._branches: dict[tuple[int, int], Branches] = {}
        self.reference = self._reference(torch_generator("mixture reference", seed))

    def _reference(self, generator: torch.Generator) -> Reference:
        """True motion of windows of the training split."""
        found = []
        for rows in batches(0, self.config.search.references, 64):
            motion, mask = self._windows.motion(self._windows.draw(rows.stop - rows.start, generator))
            found.append(self._embedded(motion, mask.sum(1).long()))
        return Reference.of(torch.cat(found), self.config.search.ridge)

    def at_split(self, point: Point, rows: slice) -> Tensor:
        """States (B, T, F) where the coarse steps end."""
        noise = [
            torch.randn(self._shape, generator=torch_generator("mixture noise", self._seed, row))
            for row in range(rows.start, rows.stop)
        ]
        steps = range(self.steps - 1, self.fine_steps - 1, -1)
        return self._walked(torch.stack(noise), coarse_weights(point), steps, rows)

    def finished(self, states_BTF: Tensor, fine: Sequence[float], rows: slice) -> Tensor:
        """Embeddings (B, D) of the samples that these states end in."""
        steps = range(self.fine_steps - 1, -1, -1)
        return self._embedded(self._walked(states_BTF, completed(fine).tolist(), steps, rows), self._frames[rows])

    def sampled(self, point: Point, rows: slice) -> Tensor:
        """Embeddings (B, D) of whole samples with the weights of a grid point."""
        return self.finished(self.at_split(point, rows), self.config.mixture.fine, rows)

    @torch.no_grad()
    def _walked(self, x_BTF: Tensor, weights: Sequence[float], steps: range, rows: slice) -> Tensor:
        place = rows.start, rows.stop
        if place not in self._branches:
            chosen = self._chosen[rows]
            samples = Samples.of(self._database, [self._database.trained(window) for window in chosen])
            self._branches[place] = self._sampler.branches(self._told.batch(chosen), samples)
        predict, schedule = self._branches[place].predict, self._sampler.schedule
        return walked(x_BTF.to(device()), predict, schedule, weights, steps)

    @torch.no_grad()
    def _embedded(self, motion_BTF: Tensor, frames_B: Tensor) -> Tensor:
        return embed_motion(self._evaluator, self._standard.back(motion_BTF.to(device())), frames_B).cpu()


def fit_grid(values: Mapping[str, Any], context: FitContext) -> None:
    """The best weights of the coarse steps. `context.work` keeps the embeddings of every point that was sampled."""
    search = Search.of(values, context)
    config = search.config
    (search.work / POINTS).mkdir(parents=True, exist_ok=True)
    workers = context.workers if device().type == "cpu" else 1

    def judge(points: Sequence[Point], clips: int):
        return over_processes(judged, search, [(point, clips) for point in points], workers)

    scored = grid_search(judge, config.search, context.progress)
    if not math.isfinite(scored[0].distance):
        raise InputError(
            f"condition mixture: no samples of the {len(scored)} best points are finite",
            expected="a network whose samples are",
            remedy="train it for longer, or lower search.bound",
        )
    weights = {"coarse": [*coarse_weights(scored[0].point)[:3]]}
    table = [[*s.point, s.distance] for s in scored]
    _write(context.out, config, weights, scored[0].distance, {"points": table, "clips": config.search.clips})


def judged(search: Search, task: tuple[Point, int]) -> float:
    """The distance of a point's samples for the first clips; what is on the disk is not sampled again."""
    point, clips = task
    candidates = _candidates(search)

    def sample(rows: slice) -> Tensor:
        return candidates.sampled(point, rows)

    folder, batch = search.work / POINTS, candidates.config.search.batch
    return float(distance(candidates.reference, point_embeddings(folder, point, clips, batch, sample)))


@lru_cache(maxsize=1)
def _candidates(search: Search) -> Candidates:
    """Once per process."""
    return Candidates(search, search.config.search.clips)


def fit_fine(values: Mapping[str, Any], context: FitContext) -> None:
    """The weights of the last steps, from the states that the grid's weights lead to."""
    search = Search.of(values, context)
    config, coarse = search.config, found(context.upstream[GRID]).coarse
    candidates = Candidates(search, config.search.fine_clips)
    kept = context.work / PROGRESS
    state = Refinement.from_json(read_json(kept)) if kept.exists() else Refinement(config.mixture.fine)

    def in_batches(sampled: Callable[[slice], Tensor]) -> Tensor:
        parts = []
        for rows in batches(0, config.search.fine_clips, config.search.batch):
            context.progress(state.step, config.search.steps)
            parts.append(sampled(rows).cpu())
        return torch.cat(parts)

    states = _states(lambda: in_batches(lambda rows: candidates.at_split(coarse[:2], rows)), context.work / STATES)

    def remember(reached: Refinement) -> None:
        nonlocal state
        state = reached
        write_json(kept, state.to_json())

    state = refine(
        lambda fine: in_batches(lambda rows: candidates.finished(states[rows], fine, rows)),
        lambda embeddings_ND: distance(candidates.reference, embeddings_ND),
        state,
        config.search,
        remember,
        context.progress,
    )
    fine, best = state.best
    measured = [[step, *theta, value] for step, theta, value in state.measured]
    facts = {"measured": measured, "clips": config.search.fine_clips}
    _write(context.out, config, {"coarse": list(coarse), "fine": list(fine)}, best, facts)


def _states(sampled: Callable[[], Tensor], path: Path) -> Tensor:
    """(B, T, F) where the coarse steps end, sampled once and kept."""
    if not path.exists():
        write_npz(path, states=sampled().numpy())
    with np.load(path) as arrays:
        return torch.from_numpy(arrays["states"])


def _write(
    folder: Path, config: RemodiffuseConfig, weights: Mapping[str, Any], best: float, facts: Mapping[str, Any]
) -> None:
    mixture = {"fine": list(config.mixture.fine), "fine_steps": config.mixture.fine_steps, **weights}
    write_json(folder / FOUND, {"mixture": mixture, "distance": best, **facts})
