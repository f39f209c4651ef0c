"""What Slurm says about jobs: one `squeue` and one `sacct` for all of them, and the few things we tell it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gesturebench.benchmarks.owner import element_of
from gesturebench.slurm.client import Refused, Unreachable, call

ACTIVE = frozenset(
    {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING",
     "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)  # fmt: skip
"""States of a job that squeue shows and that is not over."""


@dataclass(frozen=True)
class JobStep:
    """One of a job's steps in sacct: `batch`, `extern`, or a number (what srun started)."""

    state: str
    exit_code: str


@dataclass(frozen=True)
class Job:
    """One job, or one element of an array, as Slurm sees it. `id` is "12" or "12_3"; `exit_code` and `derived` are
    "code:signal"; `steps` are known from sacct alone."""

    id: str
    name: str
    state: str
    reason: str = ""
    node: str = ""
    exit_code: str = ""
    derived: str = ""
    by_user: bool = False
    steps: tuple[JobStep, ...] = ()

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_accounted(self) -> bool:
        """Whether accounting says so; the queue does not tell who has cancelled a job."""
        return self.exit_code != ""


@dataclass(frozen=True)
class Sight:
    """Everything seen in one look: jobs by name and number in the array. `complete` says that accounting answered."""

    queue: Mapping[tuple[str, int], Job] = field(default_factory=dict)
    accounts: Mapping[tuple[str, int], Job] = field(default_factory=dict)
    complete: bool = True
    complaint: str = ""

    def job(self, name: str, index: int) -> Job | None:
        """What is known of a job. The queue is fresher, accounting knows more of what is over. A job that runs or waits
        in the accounts alone is none: the controller has forgotten it, and nobody will ever close its account."""
        place = (name, index)
        queued, account = self.queue.get(place), self.accounts.get(place)
        if account is not None and account.is_active:
            account = None
        return queued if account is None or (queued is not None and queued.is_active) else account

    def ids(self) -> Mapping[str, str]:
        """Job id by job name: of the array, not of its elements."""
        jobs = (*self.accounts.values(), *self.queue.values())
        return {job.name: job.id.partition("_")[0] for job in jobs}


def look(names: Iterable[str], ids: Iterable[str], since: str | None = None) -> Sight:
    """The state of all jobs with these names; `ids` are those of their arrays as far as known, `since` asks accounting
    by name for what has been submitted from then on ("2026-01-31T12:00:00")."""
    names, ids = sorted(set(names)), sorted(set(ids))
    if not names:
        return Sight()
    queue = _by_place(read_squeue(_squeue(names)), names)
    try:
        accounts = _by_place(read_sacct(_sacct(names, ids, since)), names)
    except (Unreachable, Refused) as error:
        return Sight(queue, complete=False, complaint=f"sacct: {error}")
    return Sight(queue, accounts)


_SQUEUE = "%i|%T|%r|%N|%j"
_SACCT = "JobID,JobName,State,ExitCode,DerivedExitCode,NodeList,Reason"


def _squeue(names: list[str]) -> str:
    return call("squeue", "--noheader", "--array", "--states=all", f"--format={_SQUEUE}", f"--name={','.join(names)}")


def _sacct(names: list[str], ids: list[str], since: str | None) -> str:
    """Earlier lives of requeued jobs included (-D). By number where they are known: by name lags two seconds behind."""
    asked = ""
    if ids:
        asked = call("sacct", "-D", "-P", "-n", f"--format={_SACCT}", f"--jobs={','.join(ids)}")
    if since is not None:
        by_name = ("-D", "-P", "-n", f"--format={_SACCT}", f"--name={','.join(names)}", f"--starttime={since}")
        asked += call("sacct", *by_name)
    return asked


def _by_place(jobs: Iterable[Job], names: list[str]) -> dict[tuple[str, int], Job]:
    """The last entry of each; numbers that Slurm gave out again belong to jobs of other names."""
    wanted = set(names)
    return {(job.name, element_of(job.id)): job for job in jobs if job.name in wanted}


def read_squeue(text: str) -> Iterator[Job]:
    """Jobs from lines `id|state|reason|nodes|name`.

    >>> next(read_squeue("12_3|PENDING|JobHeldUser||sweep")).reason
    'JobHeldUser'
    """
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) != 5:
            continue
        job_id, state, reason, node, name = parts
        for single in expand(job_id):
            yield Job(single, name, state, "" if reason == "None" else reason, node)


def read_sacct(text: str) -> Iterator[Job]:
    """Jobs from sacct's parsable lines; a job's steps follow it, its earlier lives come before it."""
    jobs: list[tuple[list[str], list[JobStep]]] = []
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) != 7:
            continue
        if "." in parts[0]:
            if jobs and jobs[-1][0][0] == parts[0].partition(".")[0]:
                jobs[-1][1].append(JobStep(_state(parts[2]), parts[3]))
        else:
            jobs.append((parts, []))
    for (job_id, name, state, exit_code, derived, node, reason), steps in jobs:
        node, reason = ("" if text in ("None assigned", "None") else text for text in (node, reason))
        for single in expand(job_id):
            by_user = state.startswith("CANCELLED by")
            yield Job(single, name, _state(state), reason, node, exit_code, derived, by_user, tuple(steps))


def _state(text: str) -> str:
    return text.split()[0].rstrip("+") if text else "UNKNOWN"


def expand(job_id: str) -> Iterator[str]:
    """The elements that a folded id stands for.

    >>> list(expand("12_[0-2,7%4]"))
    ['12_0', '12_1', '12_2', '12_7']
    """
    folded = re.fullmatch(r"(\d+)_\[([\d,-]+)(?:%\d+)?\]", job_id)
    if folded is None:
        if "[" not in job_id:  # a long list is cut short ("12_[0,2,..."); squeue has its elements one by one
            yield job_id
        return
    for part in folded[2].split(","):
        first, _, last = part.partition("-")
        for index in range(int(first), int(last or first) + 1):
            yield f"{folded[1]}_{index}"


def cancel(job_ids: Iterable[str]) -> None:
    """End jobs, pending or running; one that is over is no error."""
    wanted = list(job_ids)
    if wanted:
        call("scancel", *wanted)


def release(job_ids: Iterable[str]) -> None:
    """Let held jobs start; one that is gone or cannot be released now is left as it is."""
    for job_id in job_ids:
        with contextlib.suppress(Refused, Unreachable):
            call("scontrol", "release", job_id)


def requeue(job_id: str) -> None:
    """Back into the queue under the same id; ends the running life."""
    call("scontrol", "requeue", job_id, timeout_s=20)


def own_state(job_id: str) -> tuple[str, str]:
    """State and expected end ("2026-01-31T12:00:00") of a job, as seen by itself."""
    state, _, end = call("squeue", "--noheader", "--format=%T|%e", f"--job={job_id}").strip().partition("|")
    return state, end
