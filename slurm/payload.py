"""What a job does: run its pack with the runner that runs plans everywhere, stop in good order when Slurm says so, and
go back into the queue with what is left.

Only light modules are imported here: the job's first second decides whether it hears a signal.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

GRACE = 0.6
"""Part of the time between a warning and the end that steps have for saving their checkpoints."""


@dataclass(frozen=True)
class Payload:
    """Pack `index` of array `number` of the submission in `folder`. Never returns: the exit code is all that is said
    through Slurm, results are files."""

    folder: Path
    number: int

    def __call__(self, index: int) -> NoReturn:
        try:
            code = _run(self.folder, self.number, index)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        sys.exit(code)


def _run(folder: Path, number: int, index: int) -> int:
    """The exit code: 0 if something of the pack is there afterwards or nothing was to be done, 75 if it was stopped and
    could not requeue itself, else 1."""
    from gesturebench.benchmarks.owner import SlurmJob
    from gesturebench.benchmarks.state import RunStore
    from gesturebench.slurm.endings import complete_report, give_up_hopeless
    from gesturebench.slurm.packs import Place
    from gesturebench.slurm.requeue import go_back
    from gesturebench.slurm.submission import read_answer, read_pack, read_submission
    from gesturebench.slurm.survey import Post

    me, submission = SlurmJob.of(), read_submission(folder)
    answer = read_answer(folder, number)
    if answer is not None and answer != me.id.partition("_")[0]:
        _say(f"job {me.id} is not the one this pack was given to ({answer or 'none'}): nothing to do")
        return 0
    store, steps = RunStore(folder.parents[1]), read_pack(folder, number, index)
    if remark := _changes(submission.code):
        _say(remark)
    steps = _allowed(steps, store, submission)
    if not steps:
        return 1 if read_pack(folder, number, index) else 0
    outcome = _run_steps(steps, store, submission, Clock.of_job(me.id, submission, steps), remark)
    post = Post(submission, Place(submission.names()[number], index))
    for step in steps:
        if step.key in outcome.failed:
            complete_report(step, store, post)
    left = {step.key: step for step in steps if step.key in outcome.interrupted}
    if left and give_up_hopeless(left.values(), store, submission) < len(left):
        return go_back(me, submission, len(steps))
    return 0 if outcome.made or outcome.cached else 1


def _allowed(steps, store, submission):
    """The steps that may run: not one whose input is not there, none at all once the breaker has tripped."""
    from gesturebench.slurm.breaker import tripped
    from gesturebench.slurm.inputs import with_inputs

    keys = [key for packs in submission.packs for pack in packs for key in pack]
    text = tripped(store, keys, submission.profile.breaker, submission.created)
    if text is not None:
        _say(f"nothing is started: {submission.profile.breaker} steps have failed alike: {text}")
        return ()
    ready, held = with_inputs(steps, store)
    for step, reason in held:
        _say(f"not run: {step.kind} {step.label} ({step.key}): {reason}")
    return ready


def _run_steps(steps, store, submission, clock: "Clock", remark: str):
    from importlib import import_module

    from rich.console import Console

    from gesturebench.benchmarks.runner import Runner
    from gesturebench.slurm.watch import Watch

    execute = None
    if submission.execute is not None:
        module, _, name = submission.execute.partition(":")
        execute = getattr(import_module(module), name)
    profile = submission.profile
    view = Watch(Console(file=sys.stdout, soft_wrap=True), clock, profile.signal_delay_s)
    grace_s = GRACE * profile.signal_delay_s
    runner = Runner(store.runs, 1, view, execute, profile.policy, stop=view.should_stop, grace_s=grace_s, remark=remark)
    return runner.run(steps)


def _changes(submitted: str) -> str:
    """What to note if the code is not the one that was submitted, else nothing."""
    from gesturebench.slurm.sources import code_hash

    if code_hash() == submitted:
        return ""
    return f"the code has changed since this was submitted ({submitted}, now {code_hash()})"


@dataclass(frozen=True)
class Clock:
    """When this job ends, in seconds since 1970."""

    ends: float
    now: Callable[[], float] = time.time

    @property
    def left_s(self) -> float:
        return self.ends - self.now()

    @classmethod
    def of_job(cls, job_id: str, submission, steps) -> "Clock":
        """As Slurm says; where it does not answer, by the limit that was asked for, less the time for a warning."""
        from gesturebench.common.errors import InputError
        from gesturebench.slurm.client import Refused, Unreachable
        from gesturebench.slurm.queue import own_state

        if "SLURM_JOB_END_TIME" in os.environ:
            return cls(float(os.environ["SLURM_JOB_END_TIME"]))
        try:
            return cls(time.mktime(time.strptime(own_state(job_id)[1], "%Y-%m-%dT%H:%M:%S")))
        except (InputError, Refused, Unreachable, ValueError):
            return cls(time.time() + 60 * submission.profile.request(steps[0]).minutes)


def _say(line: str) -> None:
    print(line, flush=True)
