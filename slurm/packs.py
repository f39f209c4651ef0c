"""From steps to jobs: short steps share one, equal ones form arrays, and arrays wait for what they need. Pure.

Words: a *pack* is the steps of one job, in order. A *place* says where a step is or will be run: the name of an array
and the number of the pack in it.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gesturebench.benchmarks.step import Step
from gesturebench.slurm.profile import Request


class Place(NamedTuple):
    array: str
    index: int


Condition = Literal["afterok", "afterany", "aftercorr"]
"""`afterok` starts when something in that pack was finished, `aftercorr` the same for each element and its partner of
equal number, `afterany` when all is over however it ended."""

Pack = tuple[Step, ...]


@dataclass(frozen=True)
class Dependency:
    """On one pack of an array, or on all of them (index None)."""

    condition: Condition
    array: str
    index: int | None = None


@dataclass(frozen=True)
class Array:
    """Jobs that are submitted with one call."""

    name: str
    request: Request
    packs: tuple[Pack, ...]
    after: tuple[Dependency, ...] = ()

    def places(self) -> Iterator[tuple[Place, Pack]]:
        return ((Place(self.name, index), pack) for index, pack in enumerate(self.packs))


@dataclass(frozen=True)
class Limits:
    """How much one job takes on: expected seconds (and no more than half of its time limit), steps; how many jobs one
    array."""

    seconds: float
    steps: int
    array: int = 1000

    def packs(self, steps: Sequence[Step], seconds: Mapping[str, float], request: Request) -> list[Pack]:
        """The steps in order, each pack as full as it may be; a step that is too long has a pack of its own."""
        most_s, packs, room_s = min(self.seconds, 30 * request.minutes), [], 0.0
        for step in steps:
            if not packs or len(packs[-1]) >= self.steps or seconds[step.key] > room_s:
                packs.append([])
                room_s = most_s
            packs[-1].append(step)
            room_s -= seconds[step.key]
        return [tuple(pack) for pack in packs]


MOST_SINGLES = 24
"""Groups of one stage that wait for different things get an array each up to this number, beyond it one array that
waits for all."""


def make_arrays(
    steps: Sequence[Step],
    request_of: Callable[[Step], Request],
    seconds: Mapping[str, float],
    limits: Limits,
    name: Callable[[int], str],
    live: Mapping[str, Place] | None = None,
) -> tuple[Array, ...]:
    """Every step in one pack, arrays in an order in which each follows what it waits for.

    `steps` are those to run, each after what it needs; needed steps that are neither among them nor `live` (in a job
    already) are taken for done. `seconds` is the expected duration by key, `name` gives the n-th array's name. A corpus
    is made in the job that needs it first, for no other reason.
    """
    leaders = _leaders(steps)
    planner = _Planner(seconds, limits, name, dict(live or {}), leaders)
    for request, stage in _stages(steps, request_of, leaders):
        planner.add_stage(request, stage)
    return tuple(planner.arrays)


def _leaders(steps: Sequence[Step]) -> dict[str, Pack]:
    """Corpora by the key of the first step that needs them."""
    missing = {step.key: step for step in steps if step.kind == "corpus"}
    leaders: dict[str, Pack] = {}
    for step in steps:
        needed = (missing.pop(need.key, None) for need in step.inputs.values())
        leaders[step.key] = tuple(corpus for corpus in needed if corpus is not None)
    return leaders


def _stages(
    steps: Sequence[Step], request_of: Callable[[Step], Request], leaders: Mapping[str, Pack]
) -> list[tuple[Request, list[Step]]]:
    """Steps of equal depth (the longest chain of needed steps before them), kind and request, shallow ones first."""
    depth: dict[str, int] = {}
    texts: dict[str, Request] = {}
    stages: dict[tuple, list[Step]] = defaultdict(list)
    for step in steps:
        if step.kind == "corpus":
            continue
        before = {need.key for need in step.inputs.values()} - {corpus.key for corpus in leaders[step.key]}
        depth[step.key] = 1 + max((depth.get(key, 0) for key in before), default=0)
        depth |= {corpus.key: depth[step.key] for corpus in leaders[step.key]}
        request = request_of(step)
        text = request.model_dump_json()
        stages[depth[step.key], step.kind, text].append(step)
        texts[text] = request
    ordered = sorted(stages.items(), key=lambda stage: stage[0][0])
    return [(texts[text], stage) for (_, _, text), stage in ordered]


@dataclass
class _Planner:
    """The arrays so far, where every step is, and what every place waits for, directly or not."""

    seconds: Mapping[str, float]
    limits: Limits
    name: Callable[[int], str]
    home: dict[str, Place]
    leaders: Mapping[str, Pack]
    arrays: list[Array] = field(default_factory=list)
    ancestors: dict[Place, frozenset[Place]] = field(default_factory=dict)

    def add_stage(self, request: Request, stage: list[Step]) -> None:
        groups: dict[frozenset[Place], list[Step]] = defaultdict(list)
        for step in stage:
            groups[self._parents(step)].append(step)
        for array in tuple(self.arrays):
            self._pair_with(array, request, groups)
        if len(groups) > MOST_SINGLES:
            self._add_waiting_for_all(request, groups)
            return
        for parents, steps in groups.items():
            after = tuple(Dependency("afterok", *place) for place in sorted(parents))
            self._add(request, self.limits.packs(steps, self.seconds, request), after)

    def _parents(self, step: Step) -> frozenset[Place]:
        """Where the needed steps are, less what those wait for themselves."""
        direct = frozenset(self.home[needed.key] for needed in step.inputs.values() if needed.key in self.home)
        return direct.difference(*(self.ancestors.get(place, frozenset()) for place in direct))

    def _pair_with(self, array: Array, request: Request, groups: dict[frozenset[Place], list[Step]]) -> None:
        """Arrays whose n-th pack waits for the n-th pack of `array`, from the groups that make that possible."""
        partners: dict[frozenset[Place], dict[int, frozenset[Place]]] = defaultdict(dict)
        for parents in groups:
            inside = [place for place in parents if place.array == array.name]
            if len(inside) == 1:
                partners[parents - {*inside}][inside[0].index] = parents
        for rest, by_index in partners.items():
            if len(by_index) < max(2, len(array.packs)):
                continue
            rows = [groups.pop(by_index[index]) for index in range(len(array.packs))]
            number = max(len(self.limits.packs(steps, self.seconds, request)) for steps in rows)
            columns = zip(*(_cut(steps, number) for steps in rows))
            after = (Dependency("aftercorr", array.name), *(Dependency("afterok", *place) for place in sorted(rest)))
            for column in columns:
                self._add(request, list(column), after)

    def _add_waiting_for_all(self, request: Request, groups: Mapping[frozenset[Place], list[Step]]) -> None:
        steps = [step for group in groups.values() for step in group]
        arrays = sorted({place.array for parents in groups for place in parents})
        after = tuple(Dependency("afterany", array) for array in arrays)
        self._add(request, self.limits.packs(steps, self.seconds, request), after)

    def _add(self, request: Request, packs: Sequence[Pack], after: tuple[Dependency, ...]) -> None:
        for start in range(0, len(packs), self.limits.array):
            whole = tuple(map(self._with_leaders, packs[start : start + self.limits.array]))
            array = Array(self.name(len(self.arrays)), request, whole, after)
            self.arrays.append(array)
            for place, pack in array.places():
                self.home |= {step.key: place for step in pack}
                parents = frozenset(self._waits_for(place.index, after))
                self.ancestors[place] = parents.union(*(self.ancestors.get(parent, frozenset()) for parent in parents))

    def _with_leaders(self, pack: Pack) -> Pack:
        return tuple(one for step in pack for one in (*self.leaders[step.key], step))

    def _waits_for(self, index: int, after: Iterable[Dependency]) -> Iterator[Place]:
        for dependency in after:
            if dependency.condition == "aftercorr":
                yield Place(dependency.array, index)
            elif dependency.index is not None:
                yield Place(dependency.array, dependency.index)
            else:
                size = next((len(array.packs) for array in self.arrays if array.name == dependency.array), 0)
                yield from (Place(dependency.array, number) for number in range(size))


def _cut(steps: Sequence[Step], number: int) -> list[Pack]:
    """The steps in order, in `number` packs of about equal length; some are empty where steps are fewer."""
    edges = [round(len(steps) * part / number) for part in range(number + 1)]
    return [tuple(steps[start:end]) for start, end in itertools.pairwise(edges)]
