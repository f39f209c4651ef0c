"""Cancelling: a person's wish, carried out and then written down, so that no noted wish has a job that runs on. A job
that is being cancelled sees that and does not put itself back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.slurm.client import patiently
from gesturebench.slurm.endings import bury
from gesturebench.slurm.queue import cancel
from gesturebench.slurm.submission import submissions
from gesturebench.slurm.survey import survey


@dataclass(frozen=True)
class Cancelled:
    """Job ids that were taken out, and the steps that were still to be done in them."""

    jobs: tuple[str, ...]
    steps: tuple[Step, ...]


def cancel_steps(steps: Sequence[Step], store: RunStore, tell: Callable[[str], None] = print) -> Cancelled:
    """End every job in which one of these steps is still to be done; the steps are noted as cancelled."""
    states = store.states(steps)
    absent = [step for step in steps if states[step.key].status in ("missing", "running", "blocked")]
    history = submissions(store.runs)
    found = patiently(lambda: survey(history, [step.key for step in absent]), tell=tell)
    jobs: dict[str, None] = {}
    ended = []
    for step in absent:
        job = found.job(step.key)
        if job is not None and job.is_active:
            jobs[job.id] = None
            ended.append(step)
    patiently(lambda: cancel(jobs), tell=tell)
    for step in ended:
        if not store.is_done(step):
            failure = Failure("cancelled", "cancelled", f"by hand, with job {found.job(step.key).id}")
            bury(step, failure, store, found.posts[step.key].submission)
    return Cancelled(tuple(jobs), tuple(step for step in ended if not store.is_done(step)))
