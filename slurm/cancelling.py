"""Cancelling: a person's wish, written down before it is carried out so that no job puts itself back."""

from collections.abc import Sequence
from dataclasses import dataclass

from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.slurm.endings import bury
from gesturebench.slurm.queue import cancel
from gesturebench.slurm.survey import survey


@dataclass(frozen=True)
class Cancelled:
    """Job ids that were taken out, and the steps that were still to be done in them."""

    jobs: tuple[str, ...]
    steps: tuple[Step, ...]


def cancel_steps(steps: Sequence[Step], store: RunStore) -> Cancelled:
    """End every job in which one of these steps is still to be done; the steps are noted as cancelled."""
    states = store.states(steps)
    absent = [step for step in steps if states[step.key].status in ("missing", "running", "blocked")]
    found = survey(store.runs, [step.key for step in absent])
    jobs: dict[str, None] = {}
    ended = []
    for step in absent:
        job = found.job(step.key)
        if job is not None and job.is_active:
            jobs[job.id] = None
            ended.append(step)
    cancel(jobs)
    for step in ended:
        if not store.is_done(step):
            failure = Failure("cancelled", "cancelled", f"by hand, with job {found.job(step.key).id}")
            bury(step, failure, store, found.posts[step.key].submission)
    return Cancelled(tuple(jobs), tuple(step for step in ended if not store.is_done(step)))
