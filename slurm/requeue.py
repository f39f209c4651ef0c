"""Back into the queue: a job that was stopped and has work left asks Slurm to start it again under the same id."""

import time

from gesturebench.benchmarks.owner import SlurmJob
from gesturebench.common.errors import InputError
from gesturebench.slurm.client import Refused, Unreachable
from gesturebench.slurm.queue import own_state, requeue
from gesturebench.slurm.submission import Submission
from gesturebench.slurm.verdict import RESUME

_DELAYS_S = (1, 2, 4, 8, 16, 0)


def go_back(me: SlurmJob, submission: Submission, n_steps: int) -> int:
    """Requeue this job; the exit code that is right if that kills us late, or not at all."""
    policy = submission.profile.policy
    if me.life >= n_steps + policy.preempted + policy.timeout:
        print(f"not requeued: job {me.id} has been {me.life} times", flush=True)
        return RESUME
    for delay_s in _DELAYS_S:
        try:
            state, _ = own_state(me.id)
            if state != "RUNNING":  # being cancelled, or on its way back already
                print(f"not requeued: job {me.id} is {state or 'unknown'}", flush=True)
                return RESUME
            requeue(me.id)
            print(f"job {me.id} goes back into the queue", flush=True)
            return 0
        except Unreachable as error:
            print(f"Slurm does not answer ({error}); trying again in {delay_s} s", flush=True)
            time.sleep(delay_s)
        except (Refused, InputError) as error:
            print(f"not requeued: {error}", flush=True)
            return RESUME
    return RESUME
