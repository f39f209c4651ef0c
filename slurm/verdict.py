"""From what Slurm says of a job that is over to the kind of failure it was. Pure."""

from gesturebench.benchmarks.failure import FailureKind
from gesturebench.slurm.queue import Job

RESUME = 75
"""Exit code of a job that stopped in good order and could not put itself back into the queue."""

NEVER = frozenset(
    {"DependencyNeverSatisfied", "PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "AccountNotAllowed",
     "InvalidAccount", "InvalidQOS", "QOSNotAllowed", "JobHeldUser", "JobHeldAdmin", "launch failed requeued held",
     "AssocMaxWallDurationPerJobLimit", "QOSMaxWallDurationPerJobLimit"}
)  # fmt: skip
"""Reasons for which a pending job does not start by itself, ever."""

WAITING = frozenset({"PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT"})
"""States of a job in the queue that does not run."""

_BY_STATE: dict[str, FailureKind] = {
    "TIMEOUT": "timeout", "DEADLINE": "timeout", "OUT_OF_MEMORY": "memory", "NODE_FAIL": "node", "BOOT_FAIL": "node",
    "PREEMPTED": "preempted",
}  # fmt: skip

_MEMORY_WORDS = ("Exceeded job memory limit", "oom-kill", "oom_kill", "Out Of Memory", "OutOfMemory")
_OUT_OF_MEMORY = "0:125"


def verdict(job: Job, log: str = "") -> FailureKind | None:
    """Why a job ended that is over; None if the job itself is not to blame for what it left undone (it completed, or
    was taken out because what it waited for failed). `log` is the end of its error log. One that waits in the queue
    has not ended, unless a node could not start it: Slurm then holds it for ever."""
    if job.is_active:
        return "node" if could_not_be_launched(job) else None
    if job.state == "COMPLETED":
        return None
    if job.state == "CANCELLED":  # one that had begun was not taken out for another's sake
        return "cancelled" if job.by_user or job.node else None
    if _lacked_memory(job, log):
        return "memory"
    if job.state in _BY_STATE:
        return _BY_STATE[job.state]
    return "preempted" if job.exit_code.startswith(f"{RESUME}:") else "crash"


def _lacked_memory(job: Job, log: str) -> bool:
    """A kernel that kills marks the job's step, a daemon that does leaves a line in the log; the job itself is called
    FAILED by both."""
    if any(step.state == "OUT_OF_MEMORY" or step.exit_code == _OUT_OF_MEMORY for step in job.steps):
        return True
    return _OUT_OF_MEMORY in (job.exit_code, job.derived) or any(word in log for word in _MEMORY_WORDS)


def never_starts(job: Job) -> bool:
    """Whether it waits for something that cannot come."""
    return job.state in WAITING and (job.reason in NEVER or is_held(job))


def is_held(job: Job) -> bool:
    """Whether somebody would have to release it."""
    return job.state in WAITING and "held" in job.reason.lower()


def could_not_be_launched(job: Job) -> bool:
    """Whether a node failed to start it ("launch failed requeued held", in newer versions with underscores)."""
    return job.state in WAITING and job.reason.lower().replace("_", " ").startswith("launch failed")
