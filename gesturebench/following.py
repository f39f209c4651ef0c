"""Staying with a submission until the cluster is through with it: `run --wait`, `status --watch`."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.slurm.breaker import tripped
from gesturebench.slurm.client import Unreachable
from gesturebench.slurm.launch import launch
from gesturebench.slurm.profile import Profile
from gesturebench.slurm.states import overlay

_FIRST_S, LAST_S = 1.0, 10.0
"""Seconds between looks at the cluster: short ones in the beginning, when things go wrong or are quickly done."""


def follow(
    steps: Sequence[Step],
    store: RunStore,
    profile: Profile,
    grid: str,
    tell: Callable[[str], None],
    execute: str | None = None,
    last_s: float = LAST_S,
) -> int:
    """Submit again what the policy says, until nothing is in the queue and nothing is left to submit; returns the exit
    code. Jobs that never start are told and left as they are. A controller that is away is waited for. Interrupting
    this ends nothing on the cluster. `execute` as in `launch`, `last_s` the longest pause between looks."""
    began, pause_s, said = time.time(), _FIRST_S, ""
    keys = [step.key for step in steps]
    while True:
        text = tripped(store, keys, profile.breaker, began)
        choose = _retries if text is None else _nothing
        try:
            done = launch(steps, store, profile, grid, choose=choose, tell=tell, execute=execute, by_hand=False)
        except Unreachable as error:
            tell(f"Slurm does not answer ({error}); looking again in {last_s:.0f} s")
            time.sleep(last_s)
            continue
        for ending in done.endings:
            word = "ended for good" if ending.final else "is tried again"
            tell(f"{ending.kind}: {ending.step.kind} {ending.step.label} {word}: {ending.detail}")
        states = store.states(steps)
        waiting = {*done.live, *done.submitted}
        if (line := progress_line(states, waiting)) != said:
            tell(line)
            said = line
        if not (done.live or done.submitted or done.elsewhere):
            break
        time.sleep(pause_s)
        pause_s = min(last_s, 1.3 * pause_s)
    if done.stuck:
        tell(
            f"{len(done.stuck)} steps are in jobs that never start: `gesturebench status` says why, `resubmit` replaces"
        )
    if text is not None:
        tell(f"nothing more was submitted: {profile.breaker} steps have failed alike: {text}")
    return exit_code(steps, store, states)


def _retries(step: Step, state: StepState) -> bool:
    """Steps that ended for good stay so; the others are missing."""
    return state.status == "missing"


def _nothing(step: Step, state: StepState) -> bool:
    return False


def progress_line(states: Mapping[str, StepState], waiting: Set[str] = frozenset()) -> str:
    """How far it is; `waiting` are keys of steps that are in jobs.

    >>> progress_line({"a": StepState("done"), "b": StepState("missing")}, {"b"})
    '1 of 2 steps done, 1 queued'
    """
    counts = Counter(
        "queued" if state.status == "missing" and key in waiting else state.status for key, state in states.items()
    )
    rest = "".join(f", {count} {name}" for name, count in sorted(counts.items()) if name != "done")
    return f"{counts['done']} of {len(states)} steps done{rest}"


def exit_code(steps: Sequence[Step], store: RunStore, states: Mapping[str, StepState]) -> int:
    """0 if all is there, 2 if something is the user's to mend, else 1."""
    from gesturebench.benchmarks.runner import missing_steps

    if not missing_steps(tuple(steps), store):
        return 0
    failures = (store.failure(step) for step in steps if states[step.key].status == "failed")
    return 2 if any(failure is not None and failure.kind == "input" for failure in failures) else 1


def watch(plan: Plan, store: RunStore, draw: Callable[[Mapping[str, StepState]], object], pause_s: float) -> None:
    """Draw the states again and again until nothing runs or waits any more; Ctrl-C ends the looking alone."""
    from rich.live import Live

    from gesturebench.console import console

    with Live(console=console(), auto_refresh=False) as live:
        while True:
            states = overlay(store.states(plan.steps), plan.steps, store)
            live.update(draw(states), refresh=True)
            if not any(state.status in ("running", "queued") for state in states.values()):
                return
            time.sleep(pause_s)
