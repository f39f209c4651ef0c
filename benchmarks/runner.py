"""The runner: every missing step of a plan, most urgent first, on a few worker processes; nothing half-made is ever
taken for whole, and no end of any process loses what was finished. A cluster job runs its steps with the same one."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gesturebench.benchmarks.attempts import Attempt, Attempts
from gesturebench.benchmarks.claims import BEAT_S, Claims
from gesturebench.benchmarks.failure import Failure, FailureKind
from gesturebench.benchmarks.failure_report import report_failure
from gesturebench.benchmarks.job import Job, building, making
from gesturebench.benchmarks.log import tail
from gesturebench.benchmarks.oom import kernel_kills
from gesturebench.benchmarks.outcome import Outcome
from gesturebench.benchmarks.policy import Policy, decide, next_batch_divisor
from gesturebench.benchmarks.pool import Pool, Worker
from gesturebench.benchmarks.schedule import Schedule
from gesturebench.benchmarks.state import STATUS_OF, RunStore, StepState
from gesturebench.benchmarks.step import Step, urgency
from gesturebench.benchmarks.tracking import Several, Tracker, guarded
from gesturebench.benchmarks.view import View
from gesturebench.benchmarks.worker import Execute
from gesturebench.common.errors import InputError
from gesturebench.common.files import explained, publish

_POLL_S, _NOTE_S, _ELSEWHERE_S = 0.5, 30.0, 2.0
"""Seconds between looks at the workers, between notes of a step's progress, and before a step that somebody else is
making is looked at again."""


def missing_steps(steps: tuple[Step, ...], store: RunStore) -> tuple[Step, ...]:
    """What has to run: every step that is not there, but a corpus only if its clip store is not there either."""
    absent = {step.key: step for step in steps if not store.is_done(step)}
    needed = {key for key, step in absent.items() if step.kind != "corpus"}
    needed |= {source.key for key in needed for source in absent[key].inputs.values() if source.key in absent}
    return tuple(step for step in steps if step.key in needed)


def check_writable(runs: Path) -> None:
    """Refuse a runs folder that cannot be written before anything is run."""
    with explained(runs):
        runs.mkdir(parents=True, exist_ok=True)
        (runs / ".writable").write_text("")
        (runs / ".writable").unlink(missing_ok=True)


@dataclass
class _Try:
    """An attempt that is running: on which worker, since when (monotonic seconds), how far, when that was last written
    down, and how often the kernel had killed for memory before."""

    step: Step
    attempt: Attempt
    worker: Worker
    started: float
    noted: float
    kernel_kills: int | None
    progress: tuple[int, int] | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


def _never() -> bool:
    return False


class Runner:
    """Runs steps under `runs` on `workers` processes.

    `execute` replaces what steps do (for tests of the runner itself). `policy` says what is tried again within the run.
    `stop` is asked twice a second whether the run should end soon: true, or the reason as a failure kind ("timeout",
    "preempted", the latter if it is just true). Steps at work then save their checkpoints; those that have not done so
    after `grace_s` seconds are killed. `tracker` hears of every step and result. `remark` is noted in every attempt.
    """

    def __init__(
        self,
        runs: Path,
        workers: int,
        view: View,
        execute: Execute | None = None,
        policy: Policy | None = None,
        tracker: Tracker | None = None,
        stop: Callable[[], bool | FailureKind] = _never,
        grace_s: float = 60.0,
        remark: str = "",
    ):
        check_writable(runs)
        self.runs, self.view = runs.resolve(), view
        self.policy, self.stop, self.grace_s = policy or Policy(), stop, grace_s
        self.tracker, self.tracks = guarded(tracker or Several(()), view.note), tracker is not None
        self.store, self.claims, self.attempts = RunStore(self.runs), Claims(self.runs), Attempts(self.runs, remark)
        self.workers, self.pool = workers, Pool(workers, execute)
        self.outcome = Outcome()
        self.running: dict[str, _Try] = {}
        self.elsewhere: dict[str, tuple[Step, float]] = {}
        self.stopping: FailureKind | None = None
        self.deadline = self.looked = 0.0

    def run(self, steps: tuple[Step, ...]) -> Outcome:
        """Everything that is missing; returns when nothing more can be done, or when it was asked to stop. Ctrl-C ends
        the workers and is passed on."""
        missing = missing_steps(steps, self.store)
        self.schedule = Schedule(missing, urgency(steps))
        self.outcome.cached = [step.key for step in steps if step.key not in self.schedule.pending]
        self.view.begin(len(steps), len(self.outcome.cached))
        try:
            while self.running or (self._unfinished() and self.stopping is None):
                self._heed_stop()
                self._heed_lost_claims()
                self._start_ready()
                for worker in self.pool.wait(_POLL_S):
                    self._listen(worker)
            self.outcome.interrupted += self._unfinished()
        finally:
            self._close()
        return self.outcome

    def _unfinished(self) -> list[str]:
        """Steps that nobody here works on."""
        return [*self.schedule.pending, *self.elsewhere]

    def _close(self) -> None:
        """Let everything go; what is still running was cut off by an exception."""
        self.pool.close()
        try:
            for tried in self.running.values():
                self._end(tried, "cancelled", "the run was interrupted")
        finally:
            self.claims.close()
            self.tracker.close()
            self.view.end()

    # Starting

    def _start_ready(self) -> None:
        now = time.monotonic()
        for key in [key for key, (_, again) in self.elsewhere.items() if again <= now]:
            self.schedule.again(self.elsewhere.pop(key)[0])
        while self.stopping is None and self.schedule.pending:
            worker = self.pool.idle()
            step = self.schedule.next() if worker is not None else None
            if step is None:
                return
            self._start(step, worker)

    def _start(self, step: Step, worker: Worker) -> None:
        """Give the step to the worker, unless another runner has it or has finished it in the meantime."""
        owner = self.claims.take(step.key, worker.pid)
        if owner is not None:
            self.elsewhere[step.key] = step, time.monotonic() + _ELSEWHERE_S
            self.view.waits_for(step, str(owner), self.claims.path(step.key))
        elif self.store.is_done(step):
            self._found_done(step)
        else:
            attempt = self._begin(step)
            now = time.monotonic()
            self.running[step.key] = _Try(step, attempt, worker, now, now, kernel_kills())
            self.view.started(step)
            worker.give(Job.of(step, self.runs, attempt, self.workers))

    def _begin(self, step: Step) -> Attempt:
        """Clear away what dead attempts left, now that the step is ours, and note the new one."""
        before = self.attempts.of(step.key)
        for dead in before:
            if dead.outcome is None:
                self.attempts.end(dead, "lost", "it ended without a word, perhaps with its machine")
        self.store.failure_file(step.key).unlink(missing_ok=True)
        for left in building(self.runs, step.key).glob("out*"):
            shutil.rmtree(left, ignore_errors=True)
        return self.attempts.begin(step, next_batch_divisor(before))

    # Stopping

    def _heed_stop(self) -> None:
        """Pass a request to stop on to the workers, once; when they have had their time, kill them."""
        if self.stopping is None and (asked := self.stop()):
            self._stop_for(asked if isinstance(asked, str) else "preempted")
        if self.stopping is not None and time.monotonic() > self.deadline:
            for tried in list(self.running.values()):
                self._kill(tried)
                self._stopped(tried, f"did not stop within {self.grace_s:g} s and was killed")

    def _stop_for(self, reason: FailureKind) -> None:
        self.stopping, self.deadline = reason, time.monotonic() + self.grace_s
        for tried in self.running.values():
            tried.worker.ask_to_stop()

    def _heed_lost_claims(self) -> None:
        """Whoever took our silence for death has the step now; two must not write in one place."""
        if time.monotonic() - self.looked < BEAT_S:
            return
        self.looked = time.monotonic()
        for key in self.claims.lost():
            if key in self.running:
                tried = self.running.pop(key)
                self._kill(tried)
                self._end(tried, "cancelled", "its claim was taken over: another run has the step")
                self.claims.release(key)
                self.schedule.again(tried.step)

    def _kill(self, tried: _Try) -> None:
        self.pool.remove(tried.worker)

    # Listening

    def _listen(self, worker: Worker) -> None:
        for message in worker.messages():
            tried = self.running[worker.job.key]
            if message[0] == "progress":
                self._progressed(tried, message[1:])
            elif message[0] == "stopped":
                worker.job = None
                self._stop_for(self.stopping or self._reason())
                self._stopped(tried, "stopped where it can go on")
            else:
                worker.job = None
                self._ended(tried, message[1])
        if worker in self.pool.workers and not worker.is_alive():
            self.pool.remove(worker)
            if worker.job is not None:
                self._died(self.running[worker.job.key])

    def _reason(self) -> FailureKind:
        """Why a worker was asked to stop, by somebody else than this runner: the whole job was."""
        asked = self.stop()
        return asked if isinstance(asked, str) else "preempted"

    def _progressed(self, tried: _Try, progress: tuple[int, int]) -> None:
        tried.progress = progress
        self.view.progressed(tried.step, *progress)
        if time.monotonic() - tried.noted > _NOTE_S:
            tried.noted = time.monotonic()
            tried.attempt = self.attempts.note(tried.attempt, progress)

    def _died(self, tried: _Try) -> None:
        self._heed_stop()  # what ended it may have asked us too
        if tried.step.key not in self.running:
            return
        if self.stopping is not None:
            self._stopped(tried, "died while it was stopping")
            return
        how = _death(tried.worker.process.exitcode)
        said = tail(self.attempts.log(tried.attempt))
        self._ended(
            tried, Failure("crash", "crash", f"its process died ({how}); finished parts are kept, run again", said)
        )

    def _stopped(self, tried: _Try, how: str) -> None:
        del self.running[tried.step.key]
        where = f" at {tried.progress[0]} of {tried.progress[1]}" if tried.progress else ""
        self._end(tried, self.stopping, f"{how}{where}")
        self.claims.release(tried.step.key)
        self.outcome.interrupted.append(tried.step.key)
        self.view.stopped(tried.step, f"{self.stopping}{where}")

    def _ended(self, tried: _Try, failure: Failure | None) -> None:
        del self.running[tried.step.key]
        failure = failure or self._publish(tried)
        if failure is None:
            return
        if self.store.is_done(tried.step):  # by another run, which also cleared away what this one was reading
            self._beaten(tried)
        else:
            self._failed(tried, _with_evidence(failure, tried.kernel_kills))

    # Ends

    def _publish(self, tried: _Try) -> Failure | None:
        """Put the result where it belongs; what another run put there first stays."""
        step, final = tried.step, tried.step.folder(self.runs)
        home = building(self.runs, step.key)
        try:
            with explained(final):
                if final.exists() and not self.store.is_done(step):  # half of a copy, say
                    final.rename(home / f"broken.{tried.attempt.nonce}")
            is_ours = publish(making(self.runs, tried.attempt), final)
        except InputError as error:
            return Failure("input", "InputError", str(error))
        if is_ours:
            self._made(tried)
        else:
            self._beaten(tried)
        shutil.rmtree(home, ignore_errors=True)
        return None

    def _made(self, tried: _Try) -> None:
        step = tried.step
        self._end(tried, "done")
        self.claims.forget(step.key)
        self.outcome.made.append(step.key)
        self.schedule.finished(step.key)
        self.view.finished(step, tried.seconds)
        self.tracker.on_step(step, StepState("done"), tried.seconds)
        if self.tracks and step.kind in ("fit", "evaluate"):
            self.tracker.on_result(step, self.store.record(step))

    def _beaten(self, tried: _Try) -> None:
        self._end(tried, "cancelled", "another run had finished the step first; this result was discarded")
        self._found_done(tried.step)

    def _found_done(self, step: Step) -> None:
        self.claims.forget(step.key)
        self.outcome.cached.append(step.key)
        self.schedule.finished(step.key)
        self.view.finished(step, 0.0)

    def _failed(self, tried: _Try, failure: Failure) -> None:
        """Try again if the policy says so, else note that the step has ended for good."""
        step = tried.step
        self._end(tried, failure.kind, str(failure))
        decision = decide(failure.kind, self.attempts.of(step.key), self.policy)
        if decision.retry:
            self.view.retried(step, failure, decision.reason)
            self.claims.release(step.key)
            self.schedule.again(step)
            return
        self._end(tried, failure.kind, str(failure), final=True)
        report_failure(step, failure, self.store, {"duration_s": round(tried.seconds, 3)})
        self.claims.release(step.key)
        self.outcome.failed[step.key] = failure
        self.view.failed(step, failure)
        self.tracker.on_step(step, StepState(STATUS_OF[failure.kind], str(failure)), tried.seconds)
        for blocked in self.schedule.failed(step.key):
            self.outcome.blocked.append(blocked.key)
            self.view.blocked(blocked)
            self.tracker.on_step(blocked, StepState("blocked", f"waits for {step.kind} {step.label}"), 0.0)

    def _end(self, tried: _Try, outcome: FailureKind, message: str = "", final: bool = False) -> None:
        """Note how an attempt ended; a log that says nothing is not kept."""
        tried.attempt = self.attempts.end(tried.attempt, outcome, message, tried.progress, final)
        log = self.attempts.log(tried.attempt)
        if log.exists() and log.stat().st_size == 0:
            log.unlink()


def _with_evidence(failure: Failure, kills_before: int | None) -> Failure:
    """A process that was killed while the kernel killed for memory was one of those, or its child was."""
    kills = kernel_kills()
    was_killed = "signal 9" in failure.message or "killed" in failure.message.lower()
    if not was_killed or kills is None or kills_before is None or kills <= kills_before:
        return failure
    message = f"{failure.message}; the kernel killed for want of memory meanwhile"
    return Failure("memory", failure.exception, message, failure.traceback)


def _death(exit_code: int | None) -> str:
    if exit_code is not None and exit_code > 128:
        exit_code = 128 - exit_code
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}" + (", perhaps out of memory" if exit_code == -9 else "")
    return f"exit code {exit_code}"
