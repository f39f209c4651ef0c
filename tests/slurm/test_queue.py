"""What squeue and sacct print, as they printed it, and what follows from it."""

import pytest

from gesturebench.common.errors import InputError
from gesturebench.slurm import client
from gesturebench.slurm.client import Refused, Unreachable, call, failure, patiently
from gesturebench.slurm.queue import Job, JobStep, Sight, read_sacct, read_squeue
from gesturebench.slurm.verdict import never_starts, verdict

SQUEUE = """\
2_2|PENDING|Dependency||g-1
1_0|RUNNING|None|n1|g-0
4_0|PENDING|DependencyNeverSatisfied||g-3
2_1|CANCELLED|DependencyNeverSatisfied||g-1
"""
SACCT = """\
1_0|g-0|PREEMPTED|0:0|0:0|n1|None
1_0.batch|batch|CANCELLED|0:15||n1|
1_0|g-0|FAILED|1:0|0:125|n2|None
1_0.batch|batch|FAILED|1:0||n2|
1_0.0|bash|OUT_OF_MEMORY|0:125||n2|
3_[0-2]|g-2|CANCELLED by 0|0:0|0:0|None assigned|None
5_[0,2,...|g-4|PENDING|0:0|0:0|None assigned|None
"""


def test_the_queue_is_read_element_by_element():
    jobs = {job.id: job for job in read_squeue(SQUEUE)}
    assert (jobs["1_0"].state, jobs["1_0"].node, jobs["1_0"].reason) == ("RUNNING", "n1", "")
    assert never_starts(jobs["4_0"])
    assert not never_starts(jobs["2_2"])
    assert not jobs["2_1"].is_active


def test_accounts_keep_the_last_life_with_its_steps():
    jobs = {job.id: job for job in read_sacct(SACCT)}
    assert sorted(jobs) == ["1_0", "3_0", "3_1", "3_2"]
    assert jobs["1_0"].state == "FAILED"
    assert jobs["1_0"].steps == (JobStep("FAILED", "1:0"), JobStep("OUT_OF_MEMORY", "0:125"))
    assert jobs["3_1"].by_user


def test_a_job_in_the_accounts_alone_that_runs_is_forgotten():
    """The controller lost its state: nobody will ever close that account."""
    ghost = Job("7", "g", "RUNNING")
    assert Sight(accounts={("g", 0): ghost}).job("g", 0) is None
    assert Sight(queue={("g", 0): ghost}, accounts={("g", 0): ghost}).job("g", 0) is ghost


def test_accounts_know_more_of_what_is_over():
    queued, account = Job("7", "g", "FAILED"), Job("7", "g", "FAILED", derived="0:125")
    assert Sight(queue={("g", 0): queued}, accounts={("g", 0): account}).job("g", 0) is account


def test_a_requeued_job_is_alive_whatever_the_accounts_say():
    again = Job("7", "g", "PENDING", "BeginTime")
    lost = Job("7", "g", "NODE_FAIL")
    assert Sight(queue={("g", 0): again}, accounts={("g", 0): lost}).job("g", 0) is again


@pytest.mark.parametrize(
    ("job", "log", "kind"),
    [
        (Job("1", "g", "COMPLETED"), "", None),
        (Job("1", "g", "CANCELLED"), "", None),
        (Job("1", "g", "CANCELLED", by_user=True), "", "cancelled"),
        (Job("1", "g", "CANCELLED", node="n1"), "", "cancelled"),
        (Job("1", "g", "PENDING", "PartitionTimeLimit"), "", None),
        (Job("1", "g", "PENDING", "launch failed requeued held"), "", "node"),
        (Job("1", "g", "PENDING", "launch_failed_requeued_held"), "", "node"),
        (Job("1", "g", "TIMEOUT"), "", "timeout"),
        (Job("1", "g", "NODE_FAIL"), "", "node"),
        (Job("1", "g", "PREEMPTED"), "", "preempted"),
        (Job("1", "g", "OUT_OF_MEMORY", exit_code="0:125"), "", "memory"),
        (Job("1", "g", "FAILED", derived="0:125"), "", "memory"),
        (Job("1", "g", "FAILED", steps=(JobStep("OUT_OF_MEMORY", "0:125"),)), "", "memory"),
        (Job("1", "g", "FAILED", exit_code="9:0"), "slurmstepd: error: Exceeded job memory limit", "memory"),
        (Job("1", "g", "FAILED", exit_code="75:0"), "", "preempted"),
        (Job("1", "g", "FAILED", exit_code="0:53"), "", "crash"),
        (Job("1", "g", "FAILED", exit_code="11:0"), "", "crash"),
    ],
)
def test_a_job_that_is_over_says_how(job, log, kind):
    assert verdict(job, log) == kind


def test_silence_is_told_from_refusal():
    assert isinstance(failure("sbatch: error: Unable to contact slurm controller (connect failure)"), Unreachable)
    assert isinstance(failure("sbatch: error: invalid partition specified: gpuu"), Refused)


def test_a_missing_command_is_the_users_to_mend(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"sbatch: no such command.*--launcher local"):
        call("sbatch", "--version")


def test_patience_ends_with_the_last_answer(monkeypatch):
    monkeypatch.setattr(client, "DELAYS_S", (0, 0))
    answers, told = iter([Unreachable("no"), Unreachable("no"), "yes"]), []

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask, tell=told.append) == "yes"
    assert len(told) == 2
    with pytest.raises(Unreachable):
        patiently(lambda: (_ for _ in ()).throw(Unreachable("no")), tell=told.append)
