"""The order of work: which step comes next, and what the end of one means for the others."""

import heapq
from collections.abc import Mapping

from gesturebench.benchmarks.step import Step


class Schedule:
    """Steps that wait for each other. `urgency` by key: of those that are ready, the highest is handed out first.

    Every event costs as much as it changes, so that plans of tens of thousands of steps are no burden.
    """

    def __init__(self, steps: tuple[Step, ...], urgency: Mapping[str, float]):
        self.urgency = urgency
        self.pending = {step.key: step for step in steps}
        self._place = {key: place for place, key in enumerate(self.pending)}
        self._dependants: dict[str, list[str]] = {}
        self._needs: dict[str, int] = {}
        self._ready: list[tuple[float, int, str]] = []
        for step in self.pending.values():
            needed = {source.key for source in step.inputs.values()} & self.pending.keys()
            self._needs[step.key] = len(needed)
            for key in needed:
                self._dependants.setdefault(key, []).append(step.key)
            if not needed:
                self._push(step.key)

    def next(self) -> Step | None:
        """The most urgent step whose inputs are all there, no longer pending then; None if there is none now."""
        while self._ready:
            key = heapq.heappop(self._ready)[-1]
            if key in self.pending:
                return self.pending.pop(key)
        return None

    def again(self, step: Step) -> None:
        """Take a step back that was handed out."""
        self.pending[step.key] = step
        self._push(step.key)

    def finished(self, key: str) -> None:
        """A step that was handed out is there: what waits for it alone is ready now."""
        for dependant in self._dependants.get(key, ()):
            self._needs[dependant] -= 1
            if self._needs[dependant] == 0 and dependant in self.pending:
                self._push(dependant)

    def failed(self, key: str) -> list[Step]:
        """A step will not be there: take out everything that needs it, and return that in the order of the plan."""
        blocked, open_ends = [], [key]
        while open_ends:
            for dependant in self._dependants.get(open_ends.pop(), ()):
                if (step := self.pending.pop(dependant, None)) is not None:
                    blocked.append(step)
                    open_ends.append(dependant)
        return sorted(blocked, key=lambda step: self._place[step.key])

    def _push(self, key: str) -> None:
        heapq.heappush(self._ready, (-self.urgency[key], self._place[key], key))
