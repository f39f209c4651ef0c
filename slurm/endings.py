"""Steps whose job ended without them: the attempt is closed, the policy decides, and what ends for good leaves a
report that says how to see it again and how to retry."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.failure import Failure, FailureKind
from gesturebench.benchmarks.failure_report import report_failure
from gesturebench.benchmarks.policy import decide, next_batch_divisor
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import read_json, write_json
from gesturebench.slurm.logs import error_tail, log_files
from gesturebench.slurm.queue import Job
from gesturebench.slurm.states import OPEN, death, ending
from gesturebench.slurm.submission import Submission
from gesturebench.slurm.survey import Post, Survey


@dataclass(frozen=True)
class Ending:
    """A step that ended with its job: how, and whether that was for good."""

    step: Step
    kind: FailureKind
    detail: str
    final: bool


def settle(steps: Iterable[Step], states: Mapping[str, StepState], store: RunStore, found: Survey) -> list[Ending]:
    """Write down what Slurm alone knows about steps that are not there although their jobs are over. May be called
    again and by several at a time: the findings are the same."""
    endings = []
    for step in steps:
        post = found.posts.get(step.key)
        if post is None or states[step.key].status not in OPEN or found.is_active(step.key):
            continue
        kind = death(step.key, states[step.key], store, found)
        if kind is not None and not store.is_done(step):
            endings.append(_close(step, kind, store, found))
    return endings


def _close(step: Step, kind: FailureKind, store: RunStore, found: Survey) -> Ending:
    post, job, job_id = found.posts[step.key], found.job(step.key), found.job_id(step.key)
    detail, attempts = ending(post, job), Attempts(store.runs)
    tried = attempts.of(step.key)
    attempt = next((one for one in reversed(tried) if one.outcome is None and one.job == job_id), None)
    if attempt is None and kind != "cancelled":  # the job ended before the step began: that is a try as well
        node = (job and job.node) or None
        begun = attempts.begin(step, next_batch_divisor(tried))
        attempt = replace(begun, host=node or "?", node=node, job=job_id, life=0, pid=0)
    if attempt is not None:
        attempt = attempts.end(attempt, kind, detail)
    decision = decide(kind, attempts.of(step.key), post.submission.profile.policy)
    if not decision.retry:
        if attempt is not None:
            attempts.end(attempt, kind, detail, final=True)
        message = detail if kind == "cancelled" else f"{detail}; {decision.reason}"
        bury(step, Failure(kind, kind, message, error_tail(post)), store, post.submission, post, job)
    return Ending(step, kind, detail, not decision.retry)


def give_up_hopeless(steps: Iterable[Step], store: RunStore, submission: Submission) -> int:
    """Of steps that were stopped in their job, end those for good that the policy grants no further try; how many."""
    return sum(_hopeless(step, store, submission) for step in steps)


def _hopeless(step: Step, store: RunStore, submission: Submission) -> bool:
    attempts = Attempts(store.runs)
    tried = attempts.of(step.key)
    if not tried or tried[-1].outcome not in ("timeout", "preempted"):
        return False
    decision = decide(tried[-1].outcome, tried, submission.profile.policy)
    if not decision.retry:
        attempts.end(tried[-1], tried[-1].outcome, tried[-1].message, final=True)
        failure = Failure(tried[-1].outcome, tried[-1].outcome, f"{tried[-1].message}; {decision.reason}")
        bury(step, failure, store, submission)
    return not decision.retry


def bury(
    step: Step,
    failure: Failure,
    store: RunStore,
    submission: Submission,
    post: Post | None = None,
    job: Job | None = None,
) -> None:
    """Report a step that has ended for good, with its job where that tells something, and the commands."""
    about = {} if post is None else _about_job(post, job)
    report_failure(step, failure, store, about | commands(step.key, submission.grid))


def complete_report(step: Step, store: RunStore, post: Post) -> None:
    """Add to the runner's report of a failed step where it ran, and the commands."""
    path = store.failure_file(step.key)
    if path.is_file() and isinstance(report := read_json(path), dict):
        write_json(path, report | _about_job(post, None) | commands(step.key, post.submission.grid))


def commands(key: str, named: str) -> dict[str, str]:
    """What to type to see a failure again on this machine, and to retry on the cluster; `named` is how a shell names
    the plan."""
    retry = f"gesturebench resubmit {named} --step {key}"
    return {"reproduce": f"{retry} --launcher local --workers 1", "retry": retry}


def _about_job(post: Post, job: Job | None) -> dict[str, Any]:
    about = {"job": post.job_id, "submission": post.submission.nonce, "logs": [str(path) for path in log_files(post)]}
    if job is not None:
        about |= {"node": job.node, "slurm_state": job.state, "exit_code": job.exit_code, "reason": job.reason}
    return about


def may_write(store: RunStore) -> bool:
    return os.access(store.runs, os.W_OK)
