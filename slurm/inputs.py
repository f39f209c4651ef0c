"""Whether what a pack needs is there. Slurm's dependencies say so, but a job that it has forgotten counts as fulfilled,
and a network file system may show a result later than Slurm its end."""

import time
from collections.abc import Sequence

from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step

PATIENCE_S = 15.0
"""How long a result that should be there may take to be seen."""


def with_inputs(
    steps: Sequence[Step], store: RunStore, patience_s: float = PATIENCE_S
) -> tuple[tuple[Step, ...], list[tuple[Step, str]]]:
    """The steps that can run, in their order, and the others with the reason. A step whose needed step failed is among
    the others at once; for a result that is merely not to be seen we wait a little."""
    end = time.monotonic() + patience_s
    while True:
        ready, held = _sorted(steps, store)
        if time.monotonic() >= end or not any(reason == _ABSENT for _, reason in held):
            return ready, [(step, reason) for step, reason in held]
        time.sleep(min(1.0, patience_s / 10))


_ABSENT = "what it needs is not there"


def _sorted(steps: Sequence[Step], store: RunStore) -> tuple[tuple[Step, ...], list[tuple[Step, str]]]:
    states = store.states(steps)
    ready: dict[str, Step] = {}
    held = []
    for step in steps:
        absent = [needed for needed in step.inputs.values() if needed.key not in ready and not store.is_done(needed)]
        if states[step.key].status == "done" or not absent:
            ready[step.key] = step
        elif states[step.key].status == "blocked":
            held.append((step, states[step.key].detail))
        else:
            held.append((step, _ABSENT))
    return tuple(ready.values()), held
