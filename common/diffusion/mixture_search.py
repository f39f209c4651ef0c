"""First stage of a mixture search: (w1, w2) of the coarse steps on a grid of two levels (Zhang et al. 2023, sec. 3.4).

Knows neither networks nor data: what samples and judges is handed in. What is found here goes on to
`mixture_refining.py`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from gesturebench.common.diffusion.ddim import move
from gesturebench.common.diffusion.mixture import BRANCHES, mixed
from gesturebench.common.diffusion.mixture_search_config import MixtureSearchConfig
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.common.progress import Progress, silent

Point = tuple[float, float]
"""w1 of both and w2 of text; w3 of retr is 1 - w1 - w2."""

PredictBranches = Callable[[Tensor, int, Sequence[str]], dict[str, Tensor]]
"""(x, step, names of branches) -> predicted x0 of each."""

Judge = Callable[[Sequence[Point], int], Iterable[float]]
"""(points, number of clips) -> the distance of each, in order, as it is found."""


@dataclass(frozen=True)
class Scored:
    """A grid point and the distance of its samples to the training split."""

    point: Point
    clips: int
    distance: float


def walked(
    x: Tensor,
    predict: PredictBranches,
    schedule: Schedule,
    weights: Sequence[float] | Tensor,
    steps: Iterable[int],
) -> Tensor:
    """DDIM through `steps` (indices, descending) with the same four weights at each: x one noise level below the last.

    Weights may be a tensor, so that derivatives can be taken in them; branches of weight 0.0 are not evaluated.
    """
    needed = [name for name, w in zip(BRANCHES, weights, strict=True) if isinstance(w, Tensor) or w != 0]
    for step in steps:
        x0 = mixed(weights, predict(x, step, needed))
        x = move(x, x0, float(schedule.alpha_bar[step]), schedule.previous(step))
    return x


def first_level(config: MixtureSearchConfig) -> list[Point]:
    """All (w1, w2) from -bound to bound.

    >>> len(first_level(MixtureSearchConfig()))
    121
    """
    count = math.floor(config.bound / config.spacing + 1e-9)
    axis = [k * config.spacing for k in range(-count, count + 1)]
    return [(a, b) for a in axis for b in axis]


def second_level(best: Point, config: MixtureSearchConfig) -> list[Point]:
    """The points of the finer grid around `best`, up to its neighbours on the first level, that are not on that one.

    >>> len(second_level((1.0, 0.0), MixtureSearchConfig()))
    16
    """
    count = math.floor(config.spacing / config.finer + 1e-9)
    moves = [k * config.finer for k in range(-count, count + 1)]
    square = [(best[0] + a, best[1] + b) for a in moves for b in moves]
    inside = [point for point in square if max(map(abs, point)) <= config.bound + 1e-9]
    old = set(first_level(config))
    return [point for point in inside if point not in old]


def grid_search(judge: Judge, config: MixtureSearchConfig, progress: Progress = silent) -> list[Scored]:
    """Everything that was scored on all clips, best first; ties go to the smaller weights."""
    points = first_level(config)
    total = sum(_work(count, config) for count in (len(points), len(second_level((0.0, 0.0), config))))
    done = 0

    def scores(points: Sequence[Point], clips: int) -> list[Scored]:
        nonlocal done
        found = []
        for point, distance in zip(points, judge(points, clips), strict=True):
            found.append(Scored(point, clips, distance))
            done += 1
            progress(min(done, total), total)
        return sorted(found, key=_order)

    first = _race(points, scores, config)
    second = _race(second_level(first[0].point, config), scores, config)
    return sorted([*first, *second], key=_order)


def _race(
    points: Sequence[Point], scores: Callable[[Sequence[Point], int], list[Scored]], config: MixtureSearchConfig
) -> list[Scored]:
    """The points that no round left behind, scored on all clips."""
    for clips in config.rounds:
        points = [found.point for found in scores(points, clips)[: _going_on(len(points), config)]]
    return scores(points, config.clips)


def _going_on(points: int, config: MixtureSearchConfig) -> int:
    return math.ceil(config.kept * points)


def _work(points: int, config: MixtureSearchConfig) -> int:
    """Judgements in all rounds of a level's race."""
    work = 0
    for _ in config.rounds:
        work, points = work + points, _going_on(points, config)
    return work + points


def _order(found: Scored) -> tuple[float, float, Point]:
    """NaN never gets here: what is not finite is infinitely far."""
    return found.distance, sum(map(abs, found.point)), found.point


def coarse_weights(point: Point) -> tuple[float, float, float, float]:
    """All four.

    >>> coarse_weights((1.5, 0.5))
    (1.5, 0.5, -1.0, 0.0)
    """
    return (*point, 1 - point[0] - point[1], 0.0)
