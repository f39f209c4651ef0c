"""What the verbs `status` and `logs` show."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from gesturebench.benchmarks.attempts import Attempt, Attempts
from gesturebench.benchmarks.log import tail
from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, Status, StepState
from gesturebench.common.errors import InputError
from gesturebench.console import console
from gesturebench.slurm.endings import may_write, settle
from gesturebench.slurm.states import OPEN, look_around, overlay

ALWAYS = ("done", "running", "queued", "failed", "missing")
"""Columns that are shown even if they hold nothing."""

_LOUD = frozenset(get_args(Status)) - {"done", "missing", "blocked"}
_MOST_LINES = 30


def show_status(plan: Plan, runs: Path, named: str, watching: bool = False, pause_s: float = 2.0) -> None:
    """Counts by kind of step, then what runs, waits and failed; `named` is how a shell names the plan."""
    from gesturebench.following import watch

    store = RunStore(runs)
    if watching:
        watch(plan, store, lambda states: picture(plan, states), pause_s)
    states = current_states(plan, store)
    if not watching:
        console().print(picture(plan, states))
    for line in _failures(plan, states, store, named):
        console().print(line, markup=False, soft_wrap=True)


def current_states(plan: Plan, store: RunStore) -> dict[str, StepState]:
    """What files and cluster say now; what only the cluster knows of jobs that are over is written down, where that is
    possible."""
    states = store.states(plan.steps)
    found = look_around(store, [step.key for step in plan.steps if states[step.key].status in OPEN])
    if found.posts and may_write(store) and settle(plan.steps, states, store, found):
        states = store.states(plan.steps)
    return overlay(states, plan.steps, store, found)


def picture(plan: Plan, states: Mapping[str, StepState]):
    """The table of counts and a line for each step that something happens to."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts = Counter((step.kind, states[step.key].status) for step in plan.steps)
    names = [name for name in get_args(Status) if name in ALWAYS or any(status == name for _, status in counts)]
    table = Table("step", *names, box=None)
    for kind in dict.fromkeys(step.kind for step in plan.steps):
        table.add_row(kind, *(str(counts[kind, name]) for name in names))
    lines = [Text(line) for line in _events(plan, states)]
    more = [Text(f"... and {len(lines) - _MOST_LINES} more")] if len(lines) > _MOST_LINES else []
    return Group(table, *lines[:_MOST_LINES], *more)


def _events(plan: Plan, states: Mapping[str, StepState]) -> Iterator[str]:
    for step in plan.steps:
        state = states[step.key]
        if state.status in ("running", "queued"):
            yield f"{state.status}: {step.kind} {step.label}" + (f" ({state.detail})" if state.detail else "")


def _failures(plan: Plan, states: Mapping[str, StepState], store: RunStore, named: str) -> Iterator[str]:
    """Each step that ended for good, with its report and how to go on."""
    from gesturebench.slurm.endings import commands

    for step in plan.steps:
        state = states[step.key]
        if state.status not in _LOUD - {"running", "queued"}:
            continue
        yield f"{state.status}: {step.kind} {step.label}: {state.detail}"
        if (path := store.failure_file(step.key)).is_file():
            yield f"  traceback in {path}"
        yield f"  log: gesturebench logs {step.key[:8]}; again: {commands(step.key[:8], named)['retry']}"


def show_logs(what: str, runs: Path, last: int = 3) -> None:
    """What the last attempts at some steps said, and Slurm about their jobs. `what` is the beginning of a key, or part
    of a label."""
    store = RunStore(runs)
    histories = {key: found for key in _keys(what, store) if (found := Attempts(store.runs).of(key))}
    if not histories:
        raise InputError(
            f"{runs}: nothing was tried whose key begins with {what!r} or whose label contains it",
            expected="a key or label that `status` shows",
            remedy="correct it",
        )
    for key, history in list(histories.items())[:_MOST_LINES]:
        for attempt in history[-last:]:
            _show_attempt(attempt, store)
        _show_job(key, store)


def _keys(what: str, store: RunStore) -> list[str]:
    folder = store.runs / ".attempts"
    keys = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    by_key = [key for key in keys if key.startswith(what)]
    return by_key or [key for key in keys if any(what in one.label for one in Attempts(store.runs).of(key)[-1:])]


def _show_attempt(attempt: Attempt, store: RunStore) -> None:
    where = f"job {attempt.job} on {attempt.node}" if attempt.job else f"process {attempt.pid} on {attempt.host}"
    screen = console()
    outcome = f"{attempt.outcome or 'no end known'}" + (f": {attempt.message}" if attempt.message else "")
    screen.print(f"== {attempt.kind} {attempt.label} ({attempt.key}), {where}: {outcome}", markup=False, soft_wrap=True)
    if attempt.remark:
        screen.print(attempt.remark, markup=False, soft_wrap=True)
    said = tail(Attempts(store.runs).log(attempt))
    if said:
        screen.print(said.rstrip(), markup=False, soft_wrap=True)


def _show_job(key: str, store: RunStore) -> None:
    from gesturebench.slurm.logs import log_files
    from gesturebench.slurm.submission import submissions
    from gesturebench.slurm.survey import last_posts

    post = last_posts(submissions(store.runs), [key]).get(key)
    for path in log_files(post) if post is not None else ():
        if said := tail(path, 2000).strip():
            console().print(f"== {path}\n{said}", markup=False, soft_wrap=True)
