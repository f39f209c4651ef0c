"""What has become of a step, read from the files of the run store alone; reading never writes."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gesturebench.benchmarks.claims import Claims, Owner
from gesturebench.benchmarks.failure import Failure, FailureKind
from gesturebench.benchmarks.step import Step
from gesturebench.common.collection import no_collection
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json

if TYPE_CHECKING:
    from gesturebench.benchmarks.unit_scores import UnitScores

Status = Literal[
    "done", "running", "queued", "failed", "timed out", "preempted", "out of memory", "node failure", "cancelled",
    "blocked", "missing",
]  # fmt: skip
"""`queued` is what only a scheduler knows; `failed` to `cancelled` are steps that ended for good; `blocked` waits for
one of those; `missing` was never run, or was stopped and can go on."""

STATUS_OF: Mapping[FailureKind, Status] = {
    "input": "failed", "error": "failed", "crash": "failed", "lost": "failed", "memory": "out of memory",
    "timeout": "timed out", "preempted": "preempted", "node": "node failure", "cancelled": "cancelled",
}  # fmt: skip
"""What a step is called that ended for good with a failure of this kind."""

RECORD, PER_CLIP, MOTIONS, EXPLAINED = "record.json", "per_clip.json", "motions", "explained"
"""Names inside an artifact: its passport, a score clip by clip, the folder of generated motion, and that of what the
method says about it, `<clip>.json` each."""


@dataclass(frozen=True)
class StepState:
    """A status, and what there is to say about it: the failure, who works on the step, what it waits for."""

    status: Status
    detail: str = ""


@dataclass(frozen=True)
class RunStore:
    """A folder of artifacts, `runs/<kind>/<key>/`."""

    runs: Path

    def is_done(self, step: Step) -> bool:
        return os.path.isfile(f"{self.runs}/{step.kind}/{step.key}/{RECORD}")

    def record(self, step: Step) -> dict[str, Any]:
        """The passport of a finished step; one that is broken or incomplete is an `InputError` that says what to do."""
        path = self.runs.joinpath(step.kind, step.key, RECORD)
        try:
            record = read_json(path)
        except InputError as error:
            raise InputError(error.what, remedy=_again(path)) from error
        wanted = "metrics" if step.kind == "evaluate" else None
        if not isinstance(record, dict) or (wanted and not isinstance(record.get(wanted), dict)):
            raise InputError(
                f"{path}: not a whole run record", expected=f"an object with {wanted or 'keys'}", remedy=_again(path)
            )
        return record

    def finished(self, steps: Iterable[Step]) -> list[Step]:
        """Those that are done, each once; every folder of the store is listed once."""
        once = {step.key: step for step in steps}.values()
        there = {kind: names_in(self.runs / kind) for kind in {step.kind for step in once}}
        return [step for step in once if step.key in there[step.kind] and self.is_done(step)]

    def records(self, steps: Iterable[Step]) -> dict[str, dict[str, Any]]:
        """Passports of those that are done, by key."""
        with no_collection():
            return {step.key: self.record(step) for step in self.finished(steps)}

    def scores(self, steps: Iterable[Step]) -> "dict[str, UnitScores]":
        """What every scoring unit contributed, by key, of those evaluations that are done. May leave a cache."""
        from gesturebench.benchmarks.score_cache import read_scores

        files = {step.key: self.runs.joinpath(step.kind, step.key, PER_CLIP) for step in self.finished(steps)}
        return read_scores(files, self.runs)

    def failure_file(self, key: str) -> Path:
        return self.runs / ".failed" / f"{key}.json"

    def failure(self, step: Step) -> Failure | None:
        """Why the step ended for good, if it did; it may have been finished since."""
        path = self.failure_file(step.key)
        if not path.is_file():
            return None
        try:
            return Failure(**read_json(path)["failure"])
        except (TypeError, KeyError) as error:
            raise InputError(f"{path}: not a failure report", remedy="delete the file") from error

    def status(self, step: Step) -> Status:
        return self.states([step])[step.key].status

    def states(self, steps: Iterable[Step]) -> dict[str, StepState]:
        """Every step's state by key; each folder of the store is listed once, however many steps there are."""
        return _Survey(self).states(tuple(steps))

    def require(self, step: Step, command: str) -> Path:
        """The artifact's folder; if it is missing, an `InputError` that names the command that makes it."""
        if not self.is_done(step):
            raise InputError(
                f"{self.runs}: {step.label} is not there", expected="a finished run", remedy=f"run `{command}` first"
            )
        return step.folder(self.runs)


def _again(path: Path) -> str:
    return f"delete {path.parent} and run again"


def names_in(folder: Path) -> set[str]:
    """The names in a folder; none if there is no such folder."""
    try:
        return set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return set()


class _Survey:
    """The store at one moment: what is finished, failed, and in somebody's hands."""

    def __init__(self, store: RunStore):
        self.store = store
        self.owners: Mapping[str, Owner] = Claims(store.runs).living()  # first: who ends meanwhile is found below
        self.failed = names_in(store.runs / ".failed")
        self.listed: dict[str, set[str]] = {}
        self.found: dict[str, StepState] = {}
        self.culprits: dict[str, tuple[Step, StepState] | None] = {}

    def states(self, steps: tuple[Step, ...]) -> dict[str, StepState]:
        for step in steps:
            for needed in _inputs_first(step, self.found):
                self.found[needed.key] = self._state(needed)
        return {step.key: self.found[step.key] for step in steps}

    def _state(self, step: Step) -> StepState:
        self.culprits[step.key] = None
        if step.key in self._listed(step.kind) and self.store.is_done(step):
            return StepState("done")
        if (owner := self.owners.get(step.key)) is not None:
            return StepState("running", str(owner))
        if f"{step.key}.json" in self.failed:
            state = self._failure(step)
            self.culprits[step.key] = step, state
            return state
        culprit = next(filter(None, (self.culprits[needed.key] for needed in step.inputs.values())), None)
        self.culprits[step.key] = culprit
        if culprit is None:
            return StepState("missing")
        return StepState("blocked", f"waits for {culprit[0].kind} {culprit[0].label} ({culprit[1].status})")

    def _listed(self, kind: str) -> set[str]:
        """Folders of a kind, for a listing is cheaper than a look at each; one without a record is half of a copy."""
        if kind not in self.listed:
            self.listed[kind] = names_in(self.store.runs / kind)
        return self.listed[kind]

    def _failure(self, step: Step) -> StepState:
        try:
            failure = self.store.failure(step)
        except InputError as error:
            return StepState("failed", str(error))
        if failure is None:  # taken up again at this moment
            return StepState("missing")
        return StepState(STATUS_OF.get(failure.kind, "failed"), str(failure))


def _inputs_first(step: Step, known: Mapping[str, Any]) -> Iterator[Step]:
    """The step after everything it needs, without what is known already; no recursion, chains may be long."""
    pending = [step]
    while pending:
        if pending[-1].key in known:
            pending.pop()
        elif missing := [needed for needed in pending[-1].inputs.values() if needed.key not in known]:
            pending += missing
        else:
            yield pending.pop()
