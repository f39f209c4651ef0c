"""Submissions on disk, and what a job finds there; no cluster is needed for that."""

from dataclasses import replace

import pytest

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.failure import Failure
from gesturebench.benchmarks.garbage import Needs, find_garbage, finished_keys, sweep
from gesturebench.benchmarks.policy import next_batch_divisor
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.slurm.breaker import tripped
from gesturebench.slurm.endings import settle
from gesturebench.slurm.inputs import with_inputs
from gesturebench.slurm.launch import bad_nodes, live_places, wanted_steps
from gesturebench.slurm.packs import Array, Place
from gesturebench.slurm.profile import DEFAULT, Profile
from gesturebench.slurm.queue import Job, Sight
from gesturebench.slurm.spent import spent_submissions
from gesturebench.slurm.states import overlay
from gesturebench.slurm.submission import (
    array_name,
    read_pack,
    read_submission,
    submissions,
    write_answer,
    write_submission,
)
from gesturebench.slurm.survey import Post, Survey, last_posts


def step(name: str, *needs: Step, kind: str = "fit") -> Step:
    return Step(kind, name, {"name": name}, {need.label: need for need in needs})


A = step("a")
B = step("b", A)
C = step("c", B, kind="generate")


def submitted(runs, *packs, nonce="0123456789", profile=None):
    arrays = [Array(array_name(nonce, 0), DEFAULT, tuple(packs))]
    return write_submission(runs, nonce, "demo", "me@here", profile or Profile(), arrays, None)


def answered(runs, *packs, job_id, **options):
    """A submission of one array that Slurm has accepted under this number."""
    submission = submitted(runs, *packs, **options)
    write_answer(submission.folder, 0, job_id)
    return read_submission(submission.folder)


def finish(runs, one: Step) -> None:
    write_json(one.folder(runs) / "record.json", {"status": "done"})


def survey_of(submission, steps, job: Job | None, **changes) -> Survey:
    place = Place(array_name(submission.nonce, 0), 0)
    jobs = {place: job} if job is not None else {}
    return Survey({one.key: Post(submission, place) for one in steps}, Sight(queue=jobs), **changes)


def test_what_is_written_is_read_again(tmp_path):
    profile = Profile.parse({"defaults": {"partition": "gpu"}, "policy": {"crash": 3}})
    written = submitted(tmp_path, (A, B), (C,), profile=profile)
    assert read_submission(written.folder) == written
    assert [one.key for one in read_pack(written.folder, 0, 0)] == [A.key, B.key]
    assert written.job_id(Place(written.names()[0], 1)) is None
    write_answer(written.folder, 0, "17")
    assert submissions(tmp_path)[0].job_id(Place(written.names()[0], 1)) == "17_1"


def test_a_submission_that_was_not_finished_does_not_exist(tmp_path):
    written = submitted(tmp_path, (A,))
    (written.folder / "submission.json").unlink()
    assert submissions(tmp_path) == []


def test_a_changed_pack_is_refused(tmp_path):
    path = submitted(tmp_path, (A,)).folder / "pack-0-0.json"
    path.write_text(path.read_text().replace('"name": "a"', '"name": "x"'))
    with pytest.raises(InputError, match="has the content of step"):
        read_pack(path.parent, 0, 0)


def test_the_last_submission_of_a_step_counts(tmp_path):
    submitted(tmp_path, (A, B), nonce="1111111111")
    second = submitted(tmp_path, (B,), nonce="2222222222")
    posts = last_posts(submissions(tmp_path), [A.key, B.key, C.key])
    assert {key: post.submission.nonce for key, post in posts.items()} == {A.key: "1111111111", B.key: second.nonce}


@pytest.mark.parametrize(
    ("job", "state", "detail"),
    [
        (Job("7", "n", "PENDING", "Priority"), "queued", "job 7 (Priority)"),
        (Job("7", "n", "PENDING", "PartitionTimeLimit"), "queued", "job 7: PartitionTimeLimit, never starts"),
        (Job("7", "n", "RUNNING", node="n3"), "queued", "its turn comes in job 7 on n3"),
        (Job("7", "n", "CANCELLED", by_user=True), "cancelled", "job 7 on no node: CANCELLED"),
        (Job("7", "n", "CANCELLED"), "missing", ""),
        (Job("7", "n", "NODE_FAIL", node="n3"), "node failure", "job 7 on n3: NODE_FAIL"),
    ],
)
def test_the_scheduler_adds_what_files_do_not_know(tmp_path, job, state, detail):
    found = survey_of(submitted(tmp_path, (A,)), [A], job)
    store = RunStore(tmp_path)
    assert overlay(store.states([A]), [A], store, found)[A.key] == StepState(state, detail)


def test_what_is_done_needs_no_scheduler(tmp_path):
    found = survey_of(submitted(tmp_path, (A,)), [A], Job("7", "n", "NODE_FAIL"))
    finish(tmp_path, A)
    store = RunStore(tmp_path)
    assert overlay(store.states([A]), [A], store, found)[A.key].status == "done"


def test_a_store_without_submissions_is_left_as_it_is(tmp_path):
    store = RunStore(tmp_path)
    assert overlay(store.states([A]), [A], store) == {A.key: StepState("missing")}


def test_a_lost_node_is_a_try_and_the_policy_counts_it(tmp_path):
    """Two jobs die with their nodes before their first step begins; one more try was allowed."""
    store, profile = RunStore(tmp_path), Profile.parse({"policy": {"node": 1}})
    for job_id, final in (("7", False), ("8", True)):
        submission = answered(tmp_path, (A, B), job_id=job_id, nonce=f"{job_id}000000000", profile=profile)
        found = survey_of(submission, [A, B], Job(job_id, submission.names()[0], "NODE_FAIL", node="n3"))
        (ending,) = settle([A, B], store.states([A, B]), store, found)
        assert (ending.step, ending.kind, ending.final) == (A, "node", final)
        last = Attempts(tmp_path).of(A.key)[-1]
        assert (last.node, last.job, last.outcome, last.final) == ("n3", job_id, "node", final)
        assert store.states([A])[A.key].status == ("node failure" if final else "missing")
        assert settle([A, B], store.states([A, B]), store, found) == []


def test_what_is_taken_up_elsewhere_is_none_of_a_dead_jobs(tmp_path):
    """Cancelled on the cluster, or lost with its node, then run on this machine."""
    store, attempts, claims = RunStore(tmp_path), Attempts(tmp_path), Claims(tmp_path)
    submission = answered(tmp_path, (A, B), job_id="7")
    name = submission.names()[0]
    ends = [Job("7", name, "CANCELLED", by_user=True), Job("7", name, "NODE_FAIL", node="n3")]
    cancelled, lost = (survey_of(submission, [A, B], job) for job in ends)
    claims.take(A.key)
    local = attempts.begin(A)
    for found in (cancelled, lost):
        assert overlay(store.states([A]), [A], store, found)[A.key].status == "running"
        assert settle([A], store.states([A]), store, found) == []
    assert attempts.of(A.key) == [local]
    attempts.end(local, "preempted")
    claims.release(A.key)  # stopped here, to go on
    assert settle([A], store.states([A]), store, cancelled) == []
    assert store.states([A])[A.key].status == "missing"
    (ending,) = settle([B], store.states([B]), store, cancelled)  # nobody has taken that up
    assert (ending.kind, ending.final) == ("cancelled", True)


def test_a_claim_without_an_attempt_is_not_the_dead_jobs(tmp_path):
    """Somebody here has begun this very moment."""
    store, claims = RunStore(tmp_path), Claims(tmp_path)
    submission = answered(tmp_path, (A,), job_id="7")
    found = survey_of(submission, [A], Job("7", submission.names()[0], "CANCELLED", node="n3"))
    claims.take(A.key)
    assert settle([A], store.states([A]), store, found) == []
    claims.close()
    assert [ending.kind for ending in settle([A], store.states([A]), store, found)] == ["cancelled"]


def test_an_earlier_try_elsewhere_does_not_hide_that_a_job_was_cancelled(tmp_path):
    store, attempts = RunStore(tmp_path), Attempts(tmp_path)
    dead = attempts.begin(A)  # on this machine, which was switched off
    submission = answered(tmp_path, (A,), job_id="7")
    found = survey_of(submission, [A], Job("7", submission.names()[0], "CANCELLED", node="n3"))
    assert [ending.kind for ending in settle([A], store.states([A]), store, found)] == ["cancelled"]
    assert attempts.of(A.key) == [dead]  # which is not what the job has ended


def test_half_the_batch_is_remembered_when_a_job_dies_before_its_step_begins(tmp_path):
    store, attempts = RunStore(tmp_path), Attempts(tmp_path)
    attempts.end(attempts.begin(A), "memory")
    submission = answered(tmp_path, (A,), job_id="8")
    found = survey_of(submission, [A], Job("8", submission.names()[0], "NODE_FAIL", node="n3"))
    assert [ending.kind for ending in settle([A], store.states([A]), store, found)] == ["node"]
    assert next_batch_divisor(attempts.of(A.key)) == 2


def test_nodes_where_steps_died_are_avoided_also_by_who_submits_again(tmp_path):
    store, attempts = RunStore(tmp_path), Attempts(tmp_path)
    for one, outcome, final in ((A, "crash", True), (B, "node", False), (C, "error", True)):
        begun = replace(attempts.begin(one), node=f"n-{one.label}")
        attempts.end(begun, outcome, final=final)
    assert bad_nodes([A, B, C], store) == {"n-a", "n-b"}
    attempts.end(attempts.begin(A), "preempted")
    assert bad_nodes([A, B, C], store) == {"n-b"}


def test_a_job_that_is_unknown_everywhere_is_lost_after_a_while(tmp_path):
    submission = answered(tmp_path, (A,), job_id="7")
    young = survey_of(submission, [A], None, at=submission.created + 60)
    old = survey_of(submission, [A], None, at=submission.created + 130)
    assert (young.is_active(A.key), young.is_lost(A.key)) == (True, False)
    assert (old.is_active(A.key), old.is_lost(A.key)) == (False, True)


@pytest.mark.parametrize(
    ("job", "never_starts", "unexplained"),
    [
        (Job("7", "n", "PENDING", "JobHeldUser"), True, False),
        (Job("7", "n", "PENDING", "launch failed requeued held"), False, False),
        (Job("7", "n", "PENDING", "Priority"), False, False),
        (Job("7", "n", "CANCELLED"), False, True),
        (Job("7", "n", "CANCELLED", exit_code="0:0"), False, False),
        (Job("7", "n", "CANCELLED", node="n1"), False, False),
    ],
)
def test_what_a_program_leaves_to_people(tmp_path, job, never_starts, unexplained):
    found = survey_of(submitted(tmp_path, (A,)), [A], job)
    assert (found.never_starts(A.key), found.is_unexplained(A.key)) == (never_starts, unexplained)


def test_a_job_that_is_held_has_not_been_a_try(tmp_path):
    submission, store = submitted(tmp_path, (A,)), RunStore(tmp_path)
    for reason, kinds in (("JobHeldUser", []), ("launch failed requeued held", ["node"])):
        found = survey_of(submission, [A], Job("7", "n", "PENDING", reason))
        assert [ending.kind for ending in settle([A], store.states([A]), store, found)] == kinds


@pytest.mark.parametrize(
    ("done", "reason", "released"),
    [
        ({A.key, B.key}, "launch failed requeued held", ["7"]),
        ({A.key, B.key}, "Priority", []),
        ({A.key}, "JobHeldUser", []),
    ],
)
def test_a_held_job_with_nothing_to_do_is_let_go_for_those_that_wait(tmp_path, done, reason, released):
    found = survey_of(submitted(tmp_path, (A, B)), [A, B], Job("7", "n", "PENDING", reason))
    assert found.idle_jobs(done.__contains__) == released


def test_a_held_job_whose_steps_were_given_to_another_is_let_go(tmp_path):
    old, new = submitted(tmp_path, (A,), nonce="1111111111"), submitted(tmp_path, (A, B), nonce="2222222222")
    places = [Place(array_name(one.nonce, 0), 0) for one in (old, new)]
    held = {place: Job(str(n), "n", "PENDING", "JobHeldUser") for n, place in enumerate(places)}
    found = Survey({A.key: Post(new, places[1]), C.key: Post(old, places[0])}, Sight(queue=held))
    assert found.idle_jobs(lambda key: False) == ["0"]


def test_steps_in_jobs_are_live_unless_what_they_wait_for_is_not(tmp_path):
    submission, store = submitted(tmp_path, (A, B, C)), RunStore(tmp_path)
    waiting = Job("7", "n", "PENDING", "Priority")
    states = store.states([A, B, C])
    assert set(live_places([A, B, C], states, survey_of(submission, [A, B, C], waiting))) == {A.key, B.key, C.key}
    assert set(live_places([A, B, C], states, survey_of(submission, [B, C], waiting))) == set()


def test_only_what_can_be_had_is_wanted(tmp_path):
    store = RunStore(tmp_path)
    states = store.states([A, B, C])
    assert wanted_steps([A, B, C], states, store) == (A, B, C)
    assert wanted_steps([A, B, C], states, store, lambda one, state: one is not A) == ()
    finish(tmp_path, A)
    states = store.states([A, B, C])
    assert wanted_steps([A, B, C], states, store, lambda one, state: one is B) == (B,)


def test_a_pack_runs_nothing_whose_input_is_not_there(tmp_path):
    store = RunStore(tmp_path)
    assert with_inputs([B, C], store, patience_s=0) == ((), [(B, _ABSENT), (C, _ABSENT)])
    write_json(store.failure_file(A.key), {"failure": vars(Failure("error", "E", "broke"))})
    ready, held = with_inputs([B, C], store)  # does not wait for what has failed
    assert ready == ()
    assert [reason for _, reason in held] == ["waits for fit a (failed)"] * 2
    finish(tmp_path, A)
    assert with_inputs([B, C], store) == ((B, C), [])


_ABSENT = "what it needs is not there"


def test_the_breaker_trips_when_failures_are_alike(tmp_path):
    store = RunStore(tmp_path)
    steps = [step(str(i)) for i in range(4)]
    for number, one in enumerate(steps):
        text = "module not found" if number < 3 else "something else"
        write_json(store.failure_file(one.key), {"failure": vars(Failure("error", "ImportError", text))})
    keys = [one.key for one in steps]
    assert tripped(store, keys, 3, since=0) == "ImportError: module not found"
    assert tripped(store, keys, 4, since=0) is None
    assert tripped(store, keys, 0, since=0) is None
    assert tripped(store, keys, 3, since=4e9) is None


def test_cancelled_steps_do_not_trip_the_breaker(tmp_path):
    """All steps of a cancelled pack are reported in the same words."""
    store = RunStore(tmp_path)
    steps = [step(str(i)) for i in range(6)]
    for one in steps:
        write_json(store.failure_file(one.key), {"failure": vars(Failure("cancelled", "cancelled", "job 7 on n1"))})
    assert tripped(store, [one.key for one in steps], 5, since=0) is None


def test_a_submission_is_spent_when_all_of_it_is_done_or_was_submitted_again(tmp_path):
    def spent() -> list[str]:
        return [folder.name for folder in spent_submissions(submissions(tmp_path), finished_keys(tmp_path))]

    submitted(tmp_path, (A, B), nonce="1111111111")
    submitted(tmp_path, (B,), (C,), nonce="2222222222")
    assert spent() == []
    finish(tmp_path, A)
    assert spent() == ["1111111111"]
    finish(tmp_path, B)
    finish(tmp_path, C)
    assert spent() == ["1111111111", "2222222222"]
    submitted(tmp_path, (step("d"),), nonce="3333333333")
    needs, folders = Needs(tmp_path, frozenset()), spent_submissions(submissions(tmp_path), finished_keys(tmp_path))
    assert [item for item in find_garbage(needs, 60, folders) if item.sort == "submission"] == []
    sweep(find_garbage(needs, 0, folders), needs)
    assert [found.nonce for found in submissions(tmp_path)] == ["3333333333"]
    assert list(tmp_path.rglob("1111111111*")) == []
