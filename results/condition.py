"""What has become of a number that is not there: the most telling state among all that it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gesturebench.benchmarks.state import Status, StepState
from gesturebench.benchmarks.step import Step

TELLING: tuple[Status, ...] = (
    "failed", "out of memory", "timed out", "node failure", "preempted", "cancelled", "blocked", "running", "queued",
    "missing", "done",
)  # fmt: skip
"""From what a person has to look at to what needs nobody."""
_OWN = ("generate", "evaluate")
"""Kinds of steps that are a row's own; all others may serve several."""


@dataclass(frozen=True)
class Condition:
    """A state with the step that is in it, None for nothing in particular."""

    state: StepState
    step: Step | None = None

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def of_the_row(self) -> Status:
        """`blocked` where the step that ended is none of the row's own: a trained part, the data."""
        ended = TELLING.index(self.status) < TELLING.index("blocked")
        return "blocked" if ended and self.step and self.step.kind not in _OWN else self.status

    @property
    def sentence(self) -> str:
        """`fit denoiser (seed 0) failed: ValueError: no`"""
        told = f": {self.state.detail}" if self.state.detail else ""
        return f"{self.step.kind} {self.step.label} {self.state.status}{told}" if self.step else self.state.status


class Conditions:
    """Conditions of steps by what they and their inputs are in; every step is looked at once."""

    def __init__(self, states: Mapping[str, StepState]):
        self.states = states
        self._found: dict[str, Condition] = {}

    def of(self, step: Step) -> Condition:
        """A finished step needs nothing any more; of others, the root of what keeps them."""
        if step.key not in self._found:
            own = Condition(self.states.get(step.key, StepState("missing")), step)
            needed = [] if own.status == "done" else [self.of(needed) for needed in step.inputs.values()]
            self._found[step.key] = worst([*needed, own])
        return self._found[step.key]


def worst(conditions: Sequence[Condition]) -> Condition:
    """The most telling one, the first of equals."""
    return min(conditions, key=lambda condition: TELLING.index(condition.status))
