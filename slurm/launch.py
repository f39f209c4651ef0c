"""Submission of what is missing: whatever is done or in a job already is left alone, so it may be called at any time,
by anybody, and after any accident."""

import contextlib
import getpass
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.forecast import forecast
from gesturebench.benchmarks.runner import check_writable, missing_steps
from gesturebench.benchmarks.state import RunStore, StepState, names_in
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.slurm.client import Refused, Unreachable, patiently, require
from gesturebench.slurm.endings import Ending, settle
from gesturebench.slurm.executor import check_requests, submit_array
from gesturebench.slurm.packs import Array, Limits, Place, make_arrays
from gesturebench.slurm.profile import Profile, Request
from gesturebench.slurm.queue import cancel, look, release
from gesturebench.slurm.room import check_room
from gesturebench.slurm.submission import (
    Submission,
    array_name,
    dependency_text,
    new_nonce,
    read_answer,
    submissions,
    write_answer,
    write_submission,
)
from gesturebench.slurm.survey import Survey, survey
from gesturebench.slurm.verdict import WAITING

Choice = Callable[[Step, StepState], bool]
"""Which of the steps that are neither done nor in a job are wanted."""


@dataclass
class Launch:
    """What a call of `launch` did: keys that were submitted, were in a job already, or are being made by somebody that
    Slurm does not know (another runner, a job it has forgotten); endings that it found out about, job ids by array
    name. `stuck` are keys whose jobs wait for what cannot come, which only a call by hand replaces."""

    submitted: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    n_jobs: int = 0


def everything(step: Step, state: StepState) -> bool:
    return True


def launch(
    steps: Sequence[Step],
    store: RunStore,
    profile: Profile,
    grid: str,
    *,
    choose: Choice = everything,
    tell: Callable[[str], None] = print,
    execute: str | None = None,
    by_hand: bool = True,
) -> Launch:
    """Submit the chosen steps that are neither done nor on their way. What a person wants now replaces jobs that never
    start; a program that follows a grid leaves those, and what somebody may have cancelled, as they are.

    `grid` is how a shell names the plan. `execute` ("module:function") replaces what steps do, for
    tests. Slurm's refusal is an `InputError` with its own words, nothing being submitted then.
    """
    check_writable(store.runs)
    require("sbatch", "srun", "squeue")
    with _alone(store.runs, tell):
        history = submissions(store.runs)
        reconcile(history, tell)
        found = patiently(lambda: survey(history, [step.key for step in steps]), tell=tell)
        done = Launch(endings=settle(steps, store.states(steps), store, found))
        states = store.states(steps)
        places = live_places(steps, states, found)
        release(found.idle_jobs(lambda key: key in states and states[key].status == "done"))
        done.live = list(places)
        done.elsewhere = [key for key, state in states.items() if state.status == "running" and key not in places]
        if not by_hand:
            choose = _left_alone(states, found, done, choose)
        wanted = wanted_steps(steps, states, store, choose, places)
        if wanted:
            _submit(wanted, places, found, store, profile, grid, execute, tell, done)
    return done


def _left_alone(states: Mapping[str, StepState], found: Survey, done: Launch, choose: Choice) -> Choice:
    """The choice without steps that a person has to look at, and those whose end is not explained yet."""
    missing = [key for key, state in states.items() if state.status == "missing"]
    done.stuck = [key for key in missing if found.never_starts(key)]
    done.elsewhere += [key for key in missing if found.is_unexplained(key)]
    kept = {*done.stuck, *done.elsewhere}
    return lambda step, state: step.key not in kept and choose(step, state)


def live_places(steps: Sequence[Step], states: Mapping[str, StepState], found: Survey) -> dict[str, Place]:
    """Steps whose job will still do them. A job that waits for something that is not on its way will not."""
    live: dict[str, Place] = {}
    for step in steps:
        can = states[step.key].status in ("missing", "running") and all(
            needed.key in live or states[needed.key].status == "done"
            for needed in step.inputs.values()
            if needed.key in states
        )
        if can and found.is_active(step.key):
            live[step.key] = found.posts[step.key].place
    return live


def wanted_steps(
    steps: Sequence[Step],
    states: Mapping[str, StepState],
    store: RunStore,
    choose: Choice = everything,
    live: Mapping[str, Place] | None = None,
) -> tuple[Step, ...]:
    """The missing ones that are chosen and in nobody's hands, less those whose needed steps are not to be had."""
    wanted: dict[str, Step] = {}
    live, missing = live or {}, missing_steps(tuple(steps), store)
    absent = {step.key for step in missing}
    for step in missing:
        has_all = all(need.key not in absent or need.key in wanted or need.key in live for need in step.inputs.values())
        state = states[step.key]
        if has_all and step.key not in live and state.status != "running" and choose(step, state):
            wanted[step.key] = step
    return tuple(wanted.values())


def _submit(
    wanted: tuple[Step, ...],
    live: Mapping[str, Place],
    found: Survey,
    store: RunStore,
    profile: Profile,
    grid: str,
    execute: str | None,
    tell: Callable[[str], None],
    done: Launch,
) -> None:
    check_room(wanted, profile)
    nonce = new_nonce()
    limits = Limits(60 * profile.pack_minutes, profile.pack_max, profile.array_max)
    seconds = expected_seconds(wanted, store.runs, profile)
    arrays = make_arrays(wanted, profile.request, seconds, limits, lambda n: array_name(nonce, n), live)
    for array in arrays:
        profile.check_time(array.request, f"{array.packs[0][0].kind} steps")
    requests = {array.request.model_dump_json(): array.request for array in arrays}
    profile = _checked(list(requests.values()), profile, bad_nodes(wanted, store), tell)
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    submission = write_submission(store.runs, nonce, grid, by, profile, arrays, execute)
    _replace(_stuck_jobs(wanted, found), tell)
    for step in wanted:
        store.failure_file(step.key).unlink(missing_ok=True)
    jobs, sizes = _known_jobs(live, found)
    for number, array in enumerate(arrays):
        dependency = dependency_text(array.after, jobs, sizes)
        jobs[array.name] = done.jobs[array.name] = _hand_over(array, number, submission, dependency, tell)
        sizes[array.name] = len(array.packs)
        done.submitted += [step.key for pack in array.packs for step in pack]
        done.n_jobs += len(array.packs)


def _stuck_jobs(wanted: Sequence[Step], found: Survey) -> list[str]:
    """Jobs in the queue that will never do what is submitted anew now, and nothing else either."""
    keys = {step.key for step in wanted}
    posts = {key: found.posts[key] for key in keys if key in found.posts}
    jobs = (found.job(key) for key, post in posts.items() if keys.issuperset(post.submission.keys(post.place)))
    return sorted({job.id for job in jobs if job is not None and job.state in WAITING})


def _replace(stuck: list[str], tell: Callable[[str], None]) -> None:
    """Take jobs out of the queue; who may not (they are a colleague's) leaves them there, where they find all done."""
    try:
        patiently(lambda: cancel(stuck), tell=tell)
    except Refused as error:
        tell(f"jobs {', '.join(stuck)} were not cancelled: {error}")


def _checked(requests: list[Request], profile: Profile, nodes: frozenset[str], tell: Callable[[str], None]) -> Profile:
    """The profile, avoiding nodes where steps have died if the cluster can do without them, if Slurm grants all that is
    asked for."""
    careful = profile.model_copy(update={"exclude": tuple(sorted({*profile.exclude, *nodes}))})
    if nodes:
        with contextlib.suppress(InputError, Unreachable):
            check_requests(requests, careful)
            return careful
    patiently(lambda: check_requests(requests, profile), tell=tell)
    return profile


def bad_nodes(steps: Sequence[Step], store: RunStore) -> frozenset[str]:
    """Nodes on which the last try at one of these steps crashed or was lost, also where it was then given up."""
    attempts, known = Attempts(store.runs), names_in(store.runs / ".attempts")
    last = [attempts.of(step.key)[-1:] for step in steps if step.key in known]
    return frozenset(one.node for tried in last for one in tried if one.node and one.outcome in ("crash", "node"))


def expected_seconds(steps: Sequence[Step], runs: Path, profile: Profile) -> dict[str, float]:
    """By key. A step whose like was never run is taken for a hundredth of its time limit, a training for half of it:
    what is not known to be short gets a job of its own."""
    expected = forecast(steps, runs)
    found = {}
    for step in steps:
        limit_s = 60 * profile.request(step).minutes
        guess = limit_s / (2 if step.kind == "fit" else 100)
        known = expected[step.key]
        found[step.key] = known.seconds if known.basis != "assumed" else max(guess, min(known.seconds, limit_s / 2))
    return found


def _known_jobs(live: Mapping[str, Place], found: Survey) -> tuple[dict[str, str], dict[str, int]]:
    """Job ids and numbers of packs of the arrays that live steps are in."""
    jobs, sizes = {}, {}
    for key, place in live.items():
        submission = found.posts[key].submission
        jobs[place.array] = submission.jobs.get(place.array) or found.sight.ids()[place.array]
        sizes[place.array] = len(submission.packs[int(place.array.rpartition("-")[2])])
    return jobs, sizes


DELAYS_S = (1, 3, 6, 12, 24)
"""Seconds before an array is handed over again."""


def _hand_over(array: Array, number: int, submission: Submission, dependency: str, tell: Callable[[str], None]) -> str:
    """Submit one array, whatever becomes of the controller meanwhile: one that did not answer may have accepted it, so
    it is submitted again only after Slurm has said that it knows nothing of that name."""
    called = False
    for delay_s in (*DELAYS_S, None):
        try:
            job = _twin(array.name, submission) if called else None
            called = True
            job = job or submit_array(array, number, submission.folder, submission.profile, dependency)
            break
        except Refused as error:
            _give_up(submission, number)
            raise InputError(
                f"Slurm refuses array {number + 1} of {len(submission.packs)}: {error}",
                expected="jobs that this cluster accepts",
                remedy="mend that and run the command again: what was accepted stays in the queue",
            ) from error
        except Unreachable as error:
            if delay_s is None:
                raise
            tell(f"Slurm does not answer ({error}); trying again in {delay_s} s")
            time.sleep(delay_s)
    write_answer(submission.folder, number, job)
    return job


def _twin(name: str, submission: Submission) -> str | None:
    """The job id under which Slurm knows an array of this name, None if it answers and knows none."""
    try:
        return look([name], [], submission.since).ids().get(name)
    except Refused as error:  # about the question, not about the jobs
        raise Unreachable(str(error)) from error


def _give_up(submission: Submission, first: int) -> None:
    for number in range(first, len(submission.packs)):
        write_answer(submission.folder, number, "")


def reconcile(history: Iterable[Submission], tell: Callable[[str], None] = print) -> None:
    """Find out what became of arrays whose submitter never noted an answer: those that Slurm knows are adopted, the
    others declared void, so that they do nothing should they turn up late."""
    for submission in history:
        open_numbers = [n for n in range(len(submission.packs)) if read_answer(submission.folder, n) is None]
        if not open_numbers:
            continue
        names = {array_name(submission.nonce, number): number for number in open_numbers}
        ids = patiently(lambda names=names, since=submission.since: look(names, [], since).ids(), tell=tell)
        for name, number in names.items():
            write_answer(submission.folder, number, ids.get(name, ""))
        adopted = len([name for name in names if name in ids])
        tell(f"an interrupted submission was found: {adopted} of its {len(names)} open arrays are in the queue")


@contextlib.contextmanager
def _alone(runs: Path, tell: Callable[[str], None], patience_s: float = 300) -> Iterator[None]:
    """One submitter at a time in a run store: the second then sees what the first has submitted."""
    claims, end, told = Claims(runs.resolve()), time.monotonic() + patience_s, False
    while (owner := claims.take("submission")) is not None:
        if time.monotonic() > end:
            raise InputError(f"{runs}: {owner} has been submitting for {patience_s:.0f} s", remedy="try again later")
        if not told:
            told = True
            tell(f"waiting for {owner}, who is submitting")
        time.sleep(0.3)
    try:
        yield
    finally:
        claims.close()
