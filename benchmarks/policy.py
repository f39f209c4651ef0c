"""Whether a step that failed is tried again: by the kind of the failure and the attempts there were."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from gesturebench.benchmarks.attempts import Attempt, recent
from gesturebench.benchmarks.failure import FailureKind
from gesturebench.common.config import Config


class Policy(Config):
    """How many further tries each kind of failure is worth.

    A step that was preempted or ran out of time goes on from its checkpoint, the latter only while it gets further; a
    lost machine or job starts it elsewhere; a crash may have been the machine's fault; a lack of memory is answered
    with half the batch. Errors, faults of the input and cancelled steps are never tried again: nothing would change.
    """

    preempted: int = Field(20, ge=0)
    timeout: int = Field(20, ge=0)
    node: int = Field(3, ge=0)
    lost: int = Field(3, ge=0)
    crash: int = Field(1, ge=0)
    memory: int = Field(1, ge=0)

    def tries(self, kind: FailureKind) -> int:
        return getattr(self, kind) if kind in type(self).model_fields else 0


@dataclass(frozen=True)
class Decision:
    """Whether to try again, and why."""

    retry: bool
    reason: str


def decide(kind: FailureKind, attempts: Sequence[Attempt], policy: Policy) -> Decision:
    """What to do after a failure of this kind, the last attempt being the one that failed. Attempts before the step
    last failed for good do not count."""
    tried = recent(attempts)
    same = [attempt for attempt in tried if attempt.outcome == kind]
    allowed = policy.tries(kind)
    if not allowed:
        return Decision(False, f"{kind}: not tried again")
    if len(same) > allowed:
        return Decision(False, f"{kind}: failed {len(same)} times, {allowed} more tries were allowed")
    if kind == "timeout" and not _gets_further(same):
        return Decision(False, "timeout: no progress since the time limit before")
    return Decision(True, f"{kind}: further try {max(1, len(same))} of {allowed}")


def next_batch_divisor(attempts: Sequence[Attempt]) -> int:
    """What the next attempt divides its batch by: twice as much after a lack of memory, else the same as the last."""
    tried = recent(attempts)
    if not tried:
        return 1
    return tried[-1].batch_divisor * (2 if tried[-1].outcome == "memory" else 1)


def _gets_further(timeouts: Sequence[Attempt]) -> bool:
    """Whether the last of them got further than any before with the same batch; the first always did."""
    if not timeouts:
        return True
    last = timeouts[-1]
    before = [a for a in timeouts[:-1] if a.batch_divisor == last.batch_divisor]
    return not before or _done(last) > max(map(_done, before))


def _done(attempt: Attempt) -> int:
    return attempt.progress[0] if attempt.progress else 0
