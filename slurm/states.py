"""What has become of steps that were given to Slurm: the run store's files say most of it, the queue and accounting
the rest."""

from collections.abc import Iterable, Mapping

from gesturebench.benchmarks.attempts import Attempt, Attempts
from gesturebench.benchmarks.failure import FailureKind
from gesturebench.benchmarks.state import STATUS_OF, RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.slurm.client import Refused, Unreachable
from gesturebench.slurm.logs import error_tail
from gesturebench.slurm.queue import Job
from gesturebench.slurm.submission import FOLDER, submissions
from gesturebench.slurm.survey import Post, Survey, survey
from gesturebench.slurm.verdict import never_starts, verdict

OPEN = frozenset({"missing", "running", "blocked"})
"""What the files say of steps that Slurm may know more about."""


def overlay(
    states: Mapping[str, StepState], steps: Iterable[Step], store: RunStore, found: Survey | None = None
) -> dict[str, StepState]:
    """The states that files tell, with what Slurm adds. Reads only; without submissions, or where Slurm does not
    answer, the states come back as they are."""
    if found is None:
        found = look_around(store, [step.key for step in steps if states[step.key].status in OPEN])
    return {key: _overlaid(key, state, store, found) for key, state in states.items()}


def look_around(store: RunStore, keys: Iterable[str]) -> Survey:
    """A survey, or an empty one where there is nothing to ask or nobody to answer."""
    if not (store.runs / FOLDER).is_dir():
        return Survey()
    try:
        return survey(submissions(store.runs), keys)
    except (InputError, Refused, Unreachable):
        return Survey()


def _overlaid(key: str, state: StepState, store: RunStore, found: Survey) -> StepState:
    post, job = found.posts.get(key), found.job(key)
    if post is None or state.status not in OPEN:
        return state
    if job is not None and job.is_active:
        return _waiting(state, job)
    kind = death(key, state, store, found)
    return state if kind is None else StepState(STATUS_OF[kind], ending(post, job))


def _waiting(state: StepState, job: Job) -> StepState:
    """A step whose job is in the queue, or runs other steps of its pack."""
    if state.status == "running":
        return state
    if never_starts(job):
        return state if state.status == "blocked" else StepState("queued", f"job {job.id}: {job.reason}, never starts")
    if state.status == "blocked":
        return state
    if job.state == "PENDING":
        return StepState("queued", f"job {job.id} ({job.reason or 'pending'})")
    return StepState("queued", f"its turn comes in job {job.id} on {job.node or '?'}")


def death(key: str, state: StepState, store: RunStore, found: Survey) -> FailureKind | None:
    """How this step, of which the files say `state`, ended with its job, which is over. None if it was not at work when
    the job ended, or is none of that job's any more. A job that ended before any of its steps began is held against the
    first; one that a person cancelled takes all its steps along."""
    post, job = found.posts[key], found.job(key)
    if job is None:
        kind: FailureKind | None = "lost" if found.is_lost(key) else None
    else:
        kind = verdict(job, error_tail(post))
    if kind is None:
        return None
    last = next(reversed(Attempts(store.runs).of(key)), None)
    if last is not None and last.outcome is None and last.job == found.job_id(key):
        return None if kind == "lost" and state.status == "running" else kind  # forgotten, but alive on its node
    if state.status == "running" or _went_on(last, key, found):
        return None
    waiting = [k for k in post.submission.keys(post.place) if k in found.posts]
    is_first = waiting[:1] == [key] and _never_began(key, store, found)
    return kind if kind == "cancelled" or is_first else None


def _went_on(last: Attempt | None, key: str, found: Survey) -> bool:
    """Whether the step was taken up elsewhere (by a person's machine, say) after it was given to that job."""
    return last is not None and last.job != found.job_id(key) and last.started > found.posts[key].submission.created


def _never_began(key: str, store: RunStore, found: Survey) -> bool:
    attempts, post = Attempts(store.runs), found.posts[key]
    keys = post.submission.keys(post.place)
    return not any(attempt.job == found.job_id(key) for one in keys for attempt in attempts.of(one))


def ending(post: Post, job: Job | None) -> str:
    """How a job ended, in one line."""
    if job is None:
        return f"job {post.job_id}: unknown to Slurm"
    if job.is_active:
        return f"job {job.id}: {job.reason}"
    code = f" {job.exit_code}" if job.exit_code not in ("", "0:0") else ""
    return f"job {job.id} on {job.node or 'no node'}: {job.state}{code}"
