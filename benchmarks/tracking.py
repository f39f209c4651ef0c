"""Tracking: telling TensorBoard or Weights & Biases what a run finds, as it finds it. Off by default; no result hangs
on it."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gesturebench.benchmarks.state import StepState
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.common.files import explained, read_json, sha256_json
from gesturebench.common.fitting import CURVE

FOLDER = "tracking"


class Tracker(Protocol):
    """Whoever wants to hear of every step that ended, of the record of every finished fit and evaluation, and of the
    end of the run."""

    def on_step(self, step: Step, state: StepState, seconds: float) -> None: ...
    def on_result(self, step: Step, record: Mapping[str, Any]) -> None: ...
    def close(self) -> None: ...


def make_tracker(names: Sequence[str], runs: Path, title: str, identity: str = "") -> Tracker | None:
    """The trackers of these names as one; None for none. `identity` of the plan (default: of its title) makes a grid
    that is run again go on where it was."""
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS)
    identity = identity or sha256_json(title)[:16]
    trackers = tuple(TRACKERS[name](runs, title, identity) for name in dict.fromkeys(names))
    return Several(trackers) if trackers else None


class Several:
    """Trackers that all hear the same."""

    def __init__(self, trackers: Sequence[Tracker]):
        self.trackers = trackers

    def on_step(self, step: Step, state: StepState, seconds: float) -> None:
        for tracker in self.trackers:
            tracker.on_step(step, state, seconds)

    def on_result(self, step: Step, record: Mapping[str, Any]) -> None:
        for tracker in self.trackers:
            tracker.on_result(step, record)

    def close(self) -> None:
        for tracker in self.trackers:
            tracker.close()


def guarded(tracker: Tracker, tell: Callable[[str], None] | None = None) -> Tracker:
    """A tracker that cannot harm a run: its first exception is told (by default on standard error), then it hears
    nothing more. Of several, only the one that raised."""
    tell = tell or (lambda line: print(line, file=sys.stderr))
    if isinstance(tracker, Several):
        return Several([_Guarded(one, tell) for one in tracker.trackers])
    return _Guarded(tracker, tell)


class _Guarded:
    def __init__(self, tracker: Tracker, tell: Callable[[str], None]):
        self.tracker: Tracker | None = tracker
        self.tell = tell

    def on_step(self, step: Step, state: StepState, seconds: float) -> None:
        self._try(lambda tracker: tracker.on_step(step, state, seconds))

    def on_result(self, step: Step, record: Mapping[str, Any]) -> None:
        self._try(lambda tracker: tracker.on_result(step, record))

    def close(self) -> None:
        self._try(lambda tracker: tracker.close())
        self.tracker = None

    def _try(self, call: Callable[[Tracker], None]) -> None:
        if self.tracker is None:
            return
        try:
            call(self.tracker)
        except Exception as error:
            name, words = type(self.tracker).__name__, " ".join(str(error).split())
            self.tracker = None
            self.tell(f"{name} is off: {type(error).__name__}: {words}; the run goes on")


class TensorBoard:
    """Scalars under `RUNS/tracking/tensorboard/`: `fit/<part>/<loss>` over training steps, `score/<column>/<row>` over
    seeds, `steps/<status>` over the steps that have ended."""

    def __init__(self, runs: Path, title: str, identity: str):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _not_installed("tensorboard", error) from error

        self.runs, self.counts = runs, _Counts()
        folder = runs / FOLDER / "tensorboard" / f"{_slug(title)}-{identity[:8]}"
        with explained(folder):
            self.writer = SummaryWriter(str(folder))

    def on_step(self, step: Step, state: StepState, seconds: float) -> None:
        ended, counts = self.counts.add(state)
        for name, value in counts.items():
            self.writer.add_scalar(name, value, ended)

    def on_result(self, step: Step, record: Mapping[str, Any]) -> None:
        for x, row in _curve(step, self.runs):
            for name, value in row.items():
                self.writer.add_scalar(f"{_part(step)}/{name}", value, x)
        for name, value in _scores(step, record):
            self.writer.add_scalar(name, value, step.inputs["motions"].spec["seed"])
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """One run of the project `gesturebench` per grid, gone on with when the grid is run again. `WANDB_MODE=offline`
    keeps it on this machine, under `RUNS/tracking/`."""

    def __init__(self, runs: Path, title: str, identity: str):
        try:
            import wandb
        except ImportError as error:
            raise _not_installed("wandb", error) from error

        self.runs, self.counts = runs, _Counts()
        folder = runs / FOLDER
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            self.run = wandb.init(
                project="gesturebench", id=identity, name=title, dir=str(folder), resume="allow",
                settings=wandb.Settings(console="off"),
            )  # fmt: skip
        except wandb.Error as error:
            raise InputError(
                f"wandb cannot start: {' '.join(str(error).split())}",
                remedy="run `wandb login`, or set WANDB_MODE=offline",
            ) from error

    def on_step(self, step: Step, state: StepState, seconds: float) -> None:
        ended, counts = self.counts.add(state)
        self.run.log({**counts, "steps/ended": ended})

    def on_result(self, step: Step, record: Mapping[str, Any]) -> None:
        part = _part(step)
        if step.kind == "fit":
            self.run.define_metric(f"{part}/*", step_metric=f"{part}/step")
        for x, row in _curve(step, self.runs):
            self.run.log({f"{part}/step": x, **{f"{part}/{name}": value for name, value in row.items()}})
        for name, value in _scores(step, record):
            self.run.summary[f"{name} (seed {step.inputs['motions'].spec['seed']})"] = value

    def close(self) -> None:
        self.run.finish()


TRACKERS: Mapping[str, Callable[[Path, str, str], Tracker]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


class _Counts:
    """How many steps have ended in which way."""

    def __init__(self):
        self.found: dict[str, int] = {}

    def add(self, state: StepState) -> tuple[int, dict[str, int]]:
        """The number of steps that have ended with this one, and by name how often its status occurred."""
        name = f"steps/{state.status}"
        self.found[name] = self.found.get(name, 0) + 1
        return sum(self.found.values()), {name: self.found[name]}


def _curve(step: Step, runs: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Training step and named losses, of a fit that left a curve."""
    path = step.folder(runs) / CURVE
    if step.kind == "fit" and path.is_file():
        for row in read_json(path):
            yield row["step"], {name: value for name, value in row.items() if name != "step"}


def _part(step: Step) -> str:
    """A fit's name: parts of different rows may be called the same."""
    return f"fit/{step.label} {step.key[:6]}"


def _scores(step: Step, record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of an evaluation that tables show."""
    if step.kind != "evaluate":
        return
    from gesturebench.evaluators.registry import get_evaluator

    motions = step.inputs["motions"]
    row = motions.label.removesuffix(f" (seed {motions.spec['seed']})")
    for column in get_evaluator(step.spec["metric"]).columns:
        value = record["metrics"].get(column.key)
        if value is not None:
            yield f"score/{column.key}/{row}", value


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title).strip("-").lower() or "grid"


def _not_installed(name: str, error: ImportError) -> InputError:
    return InputError(
        f"--track {name}: {error}",
        expected=f"the package {name}",
        remedy=f"pip install 'gesturebench[{name}]'",
    )
