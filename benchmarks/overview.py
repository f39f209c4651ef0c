"""A plan at a glance: what is done, what cells share, what is missing and what that will cost. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gesturebench.benchmarks.forecast import Basis, Expectation
from gesturebench.benchmarks.plan import Cell, Plan
from gesturebench.benchmarks.state import StepState
from gesturebench.benchmarks.step import Step, closure


@dataclass(frozen=True)
class Shared:
    """A step that several cells, of one or more rows, build on."""

    step: Step
    state: StepState
    cells: int
    rows: int


@dataclass(frozen=True)
class RowPlan:
    """A row: how many cells it has, and the states of the steps that one cell alone needs, by kind."""

    label: str
    group: str
    cells: int
    own: Mapping[str, Counter]


@dataclass(frozen=True)
class Estimate:
    """Of the steps of one kind that are not done: how many, hours of all processor cores and all GPUs, and how many
    are estimated from what."""

    steps: int
    cpu_hours: float
    gpu_hours: float
    basis: Mapping[Basis, int]


@dataclass(frozen=True)
class Overview:
    """`counts` of states by kind of step, `trouble` the steps that ended for good or run, with their states."""

    plan: Plan
    counts: Mapping[str, Counter]
    shared: tuple[Shared, ...]
    rows: tuple[RowPlan, ...]
    estimates: Mapping[str, Estimate]
    trouble: tuple[tuple[Step, StepState], ...]

    @property
    def total(self) -> Counter:
        """Steps by state."""
        return sum(self.counts.values(), Counter())

    @property
    def cpu_hours(self) -> float:
        return sum(estimate.cpu_hours for estimate in self.estimates.values())

    @property
    def gpu_hours(self) -> float:
        return sum(estimate.gpu_hours for estimate in self.estimates.values())


QUIET = frozenset({"done", "missing", "blocked"})
"""States of which the count says enough."""


def overview(plan: Plan, states: Mapping[str, StepState], expected: Mapping[str, Expectation]) -> Overview:
    """`expected` holds at least the steps that are not done."""
    users = _users(plan.cells)
    counts: defaultdict[str, Counter] = defaultdict(Counter)
    for step in plan.steps:
        counts[step.kind][states[step.key].status] += 1
    shared = tuple(
        Shared(step, states[step.key], len(users[step.key]), len({cell.row.label for cell in users[step.key]}))
        for step in plan.steps
        if len(users[step.key]) > 1
    )
    own: defaultdict[str, defaultdict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for step in plan.steps:
        if len(users[step.key]) == 1:
            own[users[step.key][0].row.label][step.kind][states[step.key].status] += 1
    rows = tuple(
        RowPlan(row.label, row.group, len(plan.cells_of(row.label)), dict(own[row.label]))
        for row in plan.grid.rows
        if row.label not in plan.absent
    )
    trouble = tuple((step, states[step.key]) for step in plan.steps if states[step.key].status not in QUIET)
    to_do = [step for step in plan.steps if states[step.key].status != "done"]
    return Overview(plan, dict(counts), shared, rows, _estimates(to_do, expected), trouble)


def _users(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """The cells that need a step, by its key."""
    users: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        for step in closure((*cell.evaluate.values(), cell.generate)):
            users[step.key].append(cell)
    return users


def _estimates(steps: Iterable[Step], expected: Mapping[str, Expectation]) -> dict[str, Estimate]:
    by_kind: defaultdict[str, list[Expectation]] = defaultdict(list)
    for step in steps:
        by_kind[step.kind].append(expected[step.key])
    return {
        kind: Estimate(
            len(found),
            sum(each.cpu_hours for each in found),
            sum(each.gpu_hours for each in found),
            dict(Counter(each.basis for each in found)),
        )
        for kind, found in by_kind.items()
    }
