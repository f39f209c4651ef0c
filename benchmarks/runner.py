"""The local runner: every missing step of a plan, most urgent first, on a few worker processes; nothing half-made is
ever taken for whole."""

import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.job import Job, building
from gesturebench.benchmarks.pool import Pool, Worker
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step, urgency
from gesturebench.benchmarks.view import View
from gesturebench.benchmarks.worker import Execute
from gesturebench.common.errors import InputError
from gesturebench.common.files import explained, publish, write_json

_POLL_S = 0.5


@dataclass
class Outcome:
    """How a run ended: keys of steps that were there before, were made, failed, or could not start because of a failed
    one."""

    cached: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    failed: dict[str, Failure] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all there, 2 if something is the user's to mend, else 1."""
        if not self.failed:
            return 0
        return 2 if any(failure.kind == "input" for failure in self.failed.values()) else 1


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
        (runs / ".writable").unlink()


class Runner:
    """Runs steps under `runs` on `workers` processes. `execute` replaces what steps do (for tests of the runner
    itself)."""

    def __init__(self, runs: Path, workers: int, view: View, execute: Execute | None = None):
        check_writable(runs)
        self.runs, self.view = runs.resolve(), view
        self.store, self.claims = RunStore(self.runs), Claims(self.runs)
        self.workers, self.pool = workers, Pool(workers, execute)
        self.outcome = Outcome()
        self.started: dict[str, float] = {}

    def run(self, steps: tuple[Step, ...]) -> Outcome:
        """Everything that is missing; returns when nothing more can be done. Ctrl-C ends the workers and is passed
        on."""
        missing = missing_steps(steps, self.store)
        self.order = urgency(steps)
        self.waiting = {step.key: step for step in sorted(missing, key=lambda step: -self.order[step.key])}
        self.running: dict[str, Step] = {}
        self.outcome.cached = [step.key for step in steps if step.key not in self.waiting]
        self.view.begin(len(steps), len(self.outcome.cached))
        try:
            while self.waiting or self.running:
                self._block()
                self._start_ready()
                for worker in self.pool.wait(_POLL_S):
                    self._listen(worker)
        finally:
            self.pool.close()
            for key in self.running:
                self.claims.release(key)
            self.view.end()
        return self.outcome

    def _block(self) -> None:
        """Take out what waits for something that failed; steps are few, so the plan is simply walked until nothing
        changes."""
        dead = {*self.outcome.failed, *self.outcome.blocked}
        while blocked := [s for s in self.waiting.values() if any(needed.key in dead for needed in s.inputs.values())]:
            for step in blocked:
                del self.waiting[step.key]
                dead.add(step.key)
                self.outcome.blocked.append(step.key)
                self.view.blocked(step)

    def _start_ready(self) -> None:
        unfinished = {*self.waiting, *self.running}
        for step in list(self.waiting.values()):
            if any(needed.key in unfinished for needed in step.inputs.values()):
                continue
            worker = self.pool.idle()
            if worker is None:
                return
            self._start(step, worker)

    def _start(self, step: Step, worker: Worker) -> None:
        """Give the step to the worker, unless another runner has it or has finished it in the meantime."""
        owner = self.claims.take(step.key, worker.pid)
        if owner is not None:
            self.view.waits_for(step, str(owner), self.claims.path(step.key))
            return
        del self.waiting[step.key]
        if self.store.is_done(step):
            self.claims.release(step.key)
            self.outcome.cached.append(step.key)
            self.view.finished(step, 0.0)
            return
        self.store.failure_file(step.key).unlink(missing_ok=True)
        shutil.rmtree(building(self.runs, step.key) / "out", ignore_errors=True)
        self.running[step.key] = step
        self.started[step.key] = time.monotonic()
        self.view.started(step)
        worker.give(Job.of(step, self.runs, self.workers))

    def _listen(self, worker: Worker) -> None:
        for message in worker.messages():
            if message[0] == "progress":
                self.view.progressed(self.running[worker.job.key], message[1], message[2])
            else:
                self._ended(worker, message[1])
        if not worker.is_alive():
            if worker.job is not None:
                code = worker.process.exitcode
                self._ended(
                    worker,
                    Failure("crash", "crash", f"its process died ({_death(code)}); finished parts are kept, run again"),
                )
            self.pool.remove(worker)

    def _ended(self, worker: Worker, failure: Failure | None) -> None:
        step = self.running.pop(worker.job.key)
        worker.job = None
        seconds = time.monotonic() - self.started[step.key]
        failure = failure or self._publish(step)
        if failure is None:
            self.outcome.made.append(step.key)
            self.view.finished(step, seconds)
        else:
            self.outcome.failed[step.key] = failure
            record = {
                "kind": step.kind,
                "label": step.label,
                "spec": dict(step.spec),
                "duration_s": round(seconds, 3),
                "failure": asdict(failure),
            }
            write_json(self.store.failure_file(step.key), record)
            self.view.failed(step, failure)
        self.claims.release(step.key)

    def _publish(self, step: Step) -> Failure | None:
        home = building(self.runs, step.key)
        try:
            publish(home / "out", step.folder(self.runs))
        except InputError as error:
            return Failure("input", "InputError", str(error))
        shutil.rmtree(home, ignore_errors=True)
        return None


def _death(exit_code: int | None) -> str:
    if exit_code is not None and exit_code > 128:
        exit_code = 128 - exit_code
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}" + (", perhaps out of memory" if exit_code == -9 else "")
    return f"exit code {exit_code}"
