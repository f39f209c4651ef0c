"""What the verbs about running do: `run`, `resubmit`, `cancel`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.remembered import remember_plan
from gesturebench.benchmarks.state import RunStore, Status, StepState, names_in
from gesturebench.benchmarks.step import Step
from gesturebench.commands import run_here, say_how_far
from gesturebench.common.errors import InputError, unknown_name
from gesturebench.console import console
from gesturebench.slurm.client import explained
from gesturebench.slurm.launch import Choice, Launch, everything, launch, wanted_steps
from gesturebench.slurm.profile import Profile, load_profile

LAUNCHERS = ("local", "slurm")

CLASSES: Mapping[str, Status] = {
    "failed": "failed", "timeout": "timed out", "preempted": "preempted", "memory": "out of memory",
    "node": "node failure", "cancelled": "cancelled", "missing": "missing",
}  # fmt: skip
"""What `--only` may name."""


@dataclass(frozen=True)
class Request:
    """Where and how steps are run: `named` is how a shell names their plan, `wait` stays until a cluster is through,
    `track` lists trackers."""

    named: str
    runs: Path
    launcher: str
    workers: int = 1
    profile: Path | None = None
    wait: bool = False
    track: tuple[str, ...] = ()

    def checked(self) -> "Request":
        if self.launcher not in LAUNCHERS:
            raise unknown_name("launcher", self.launcher, LAUNCHERS)
        if self.launcher == "slurm" and self.track:
            raise InputError("--track is about this machine", remedy="leave it out, or run without --launcher slurm")
        if self.launcher == "local" and (self.profile is not None or self.wait):
            option = "--profile" if self.profile is not None else "--wait"
            raise InputError(f"{option} is about a cluster", remedy="add --launcher slurm, or leave it out")
        return self


def run_plan(plan: Plan, request: Request, choose: Choice = everything) -> int:
    """Run what is missing and chosen, here or on the cluster; returns the exit code."""
    refuse_missing(plan, request.runs)
    if request.launcher == "slurm":
        return _submit(plan, request, load_profile(request.profile), choose)
    return _run_here(plan, request, choose)


def refuse_missing(plan: Plan, runs: Path) -> None:
    """An `InputError` before anything is run if a row that is not done yet reads what is not on this machine."""
    store = RunStore(runs)
    for line, labels in plan.missing.items():
        waiting = [label for label in labels if any(not store.is_done(c.generate) for c in plan.cells_of(label))]
        if waiting:
            raise InputError(f"row {waiting[0]!r}: {line}")


def resubmit(plan: Plan, request: Request, only: Sequence[str], keys: Sequence[str]) -> int:
    """Run again what ended without a result: of the classes `only`, or the steps whose keys begin like one of `keys`,
    or all of it. What waited for those comes along."""
    choose = _choice(plan, only, keys)
    if request.launcher == "slurm" and request.profile is None:
        return _submit(plan, request, last_profile(plan, request.runs), choose)
    return run_plan(plan, request, choose)


def default_launcher(plan: Plan, runs: Path) -> str:
    """Where the plan was run last: on a cluster if none of its steps was tried here since one was submitted."""
    submission = _last_submission(plan, runs)
    return "local" if submission is None or _tried_here(plan, runs, submission.created) else "slurm"


def _tried_here(plan: Plan, runs: Path, since: float) -> bool:
    attempts, known = Attempts(runs), names_in(runs / ".attempts")
    tried = (one for step in plan.steps if step.key in known for one in attempts.of(step.key))
    return any(one.job is None and one.started > since for one in tried)


def last_profile(plan: Plan, runs: Path) -> Profile:
    """The profile of the last submission of one of the plan's steps."""
    submission = _last_submission(plan, runs)
    return submission.profile if submission is not None else Profile()


def _last_submission(plan: Plan, runs: Path):
    from gesturebench.slurm.submission import submissions
    from gesturebench.slurm.survey import last_posts

    posts = last_posts(submissions(runs), [step.key for step in plan.steps])
    return max((post.submission for post in posts.values()), key=lambda found: found.created, default=None)


def _choice(plan: Plan, only: Sequence[str], keys: Sequence[str]) -> Choice:
    for name in only:
        if name not in CLASSES:
            raise unknown_name("class of --only", name, CLASSES)
    wanted = {key for start in keys for key in _keys_like(plan, start)}
    statuses = {CLASSES[name] for name in only}
    if not wanted and not statuses:
        return everything

    def choose(step: Step, state: StepState) -> bool:
        return state.status == "blocked" or step.key in wanted or state.status in statuses

    return choose


def _keys_like(plan: Plan, start: str) -> list[str]:
    found = [step.key for step in plan.steps if step.key.startswith(start)]
    if not found:
        raise InputError(
            f"no step of the grid has a key that begins with {start!r}",
            expected="a key that `status` shows",
            remedy="correct --step",
        )
    return found


def _run_here(plan: Plan, request: Request, choose: Choice) -> int:
    store, steps = RunStore(request.runs), plan.steps
    if choose is not everything:
        steps = wanted_steps(plan.steps, store.states(plan.steps), store, choose)
    return run_here(plan, steps, request.runs, request.workers, request.named, request.track)


def _tell(line: str) -> None:
    console(stderr=True).print(line, markup=False, soft_wrap=True)


@explained()
def _submit(plan: Plan, request: Request, profile: Profile, choose: Choice) -> int:
    store = RunStore(request.runs)
    remember_plan(plan, request.runs)
    done = launch(plan.steps, store, profile, request.named, choose=choose, tell=_tell)
    for line in launched(done, plan):
        _tell(line)
    if request.wait:
        from gesturebench.following import follow

        code = follow(plan.steps, store, profile, request.named, _tell)
        say_how_far(plan, store, request.named)
        return code
    if done.submitted or done.live:
        console().print(f"Follow with: gesturebench status {request.named} --watch", markup=False)
    else:
        say_how_far(plan, store, request.named)
    return 0


def launched(done: Launch, plan: Plan) -> list[str]:
    """What a submission did, in a few lines."""
    labels = {step.key: f"{step.kind} {step.label}" for step in plan.steps}
    lines = [f"{_end(ending)}: {labels[ending.step.key]}: {ending.detail}" for ending in done.endings]
    if done.submitted:
        lines.append(
            f"{len(done.submitted)} steps submitted in {done.n_jobs} jobs, {len(done.jobs)} calls of sbatch: "
            + ", ".join(done.jobs.values())
        )
    if done.live:
        lines.append(f"{len(done.live)} steps are in jobs already")
    return lines


def _end(ending) -> str:
    return f"{ending.kind}, ended for good" if ending.final else f"{ending.kind}, goes on"


@explained()
def cancel_plan(plan: Plan, runs: Path) -> int:
    """Take the plan's jobs out of the queue and end the running ones."""
    from gesturebench.slurm.cancelling import cancel_steps

    cancelled = cancel_steps(plan.steps, RunStore(runs), _tell)
    kinds = Counter(step.kind for step in cancelled.steps)
    text = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    end = f"{len(cancelled.jobs)} jobs cancelled; not done: {text}" if text else "No job of this grid is in the queue"
    console().print(end, markup=False)
    return 0
