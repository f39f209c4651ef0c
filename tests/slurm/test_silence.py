"""A controller that is away: nothing is submitted twice, nobody gives up, and a person reads one line."""

import pytest

from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.following import follow
from gesturebench.launching import cancel_plan
from gesturebench.planning import open_plan
from gesturebench.slurm.launch import launch
from gesturebench.slurm.packs import Array
from gesturebench.slurm.profile import DEFAULT, Profile
from gesturebench.slurm.submission import array_name, submissions, write_answer, write_submission

STEP = Step("fit", "a", {"name": "a"})

TEST_ONLY = 'case "$*" in *--test-only*) exit 0;; esac'

ACCEPTS = f"""
{TEST_ONLY}
echo x >> accepted
for word; do script=$word; done
grep -o 'gesture-[0-9a-f]*-0' "$script" | head -1 > name
away
"""
"""An `sbatch` whose controller dies after it has accepted the job."""


def quiet(line: str) -> None:
    pass


def submitted(runs, steps) -> str:
    """One job of these steps that Slurm has accepted as number 7; its name."""
    name = array_name("0123456789", 0)
    arrays = [Array(name, DEFAULT, (tuple(steps),))]
    written = write_submission(runs, "0123456789", "demo", "me@here", Profile(), arrays, None)
    write_answer(written.folder, 0, "7")
    return name


def test_what_a_dying_controller_has_accepted_is_not_submitted_again(tmp_path, command):
    calls = command("sbatch", ACCEPTS)
    command("squeue", '[ $n -gt 2 ] || away; echo "41|PENDING|Priority||$(cat name)"')
    done = launch([STEP], RunStore(tmp_path / "runs"), Profile(), "demo", tell=quiet)
    assert list(done.jobs.values()) == ["41"]
    assert (calls.parent / "accepted").read_text().split() == ["x"]
    (submission,) = submissions(tmp_path / "runs")
    assert list(submission.jobs.values()) == ["41"]


def test_what_it_has_not_accepted_is(tmp_path, command):
    calls = command("sbatch", f"{TEST_ONLY}\n[ $n -gt 2 ] || away\necho Submitted batch job 42")
    done = launch([STEP], RunStore(tmp_path / "runs"), Profile(), "demo", tell=quiet)
    assert list(done.jobs.values()) == ["42"]
    assert calls.read_text() == "3\n"


def test_who_waits_for_a_grid_waits_for_the_controller_too(tmp_path, command):
    name, store, told = submitted(tmp_path / "runs", [STEP]), RunStore(tmp_path / "runs"), []
    record = STEP.folder(store.runs) / "record.json"
    record.parent.mkdir(parents=True)
    calls = command("squeue", f'[ $n -gt 7 ] || away; touch {record}; echo "7|COMPLETED|None|n1|{name}"')
    assert follow([STEP], store, Profile(), "demo", told.append, last_s=0.01) == 0
    assert int(calls.read_text()) > 7
    assert any("looking again" in line for line in told)


def test_a_person_reads_one_line(tmp_path, command):
    plan, runs = open_plan("demo", tmp_path / "runs", "standin:tiny"), tmp_path / "runs"
    name = submitted(runs, plan.steps[:1])
    command("squeue", "away")
    with pytest.raises(InputError, match=r"^Slurm does not answer: .*; run the command again later; nothing is lost$"):
        cancel_plan(plan, runs)
    command("squeue", f'echo "7|RUNNING|None|n1|{name}"')
    command("scancel", 'echo "scancel: error: Kill job error on job id 7: Access/permission denied" >&2; exit 1')
    with pytest.raises(InputError, match=r"^Slurm refuses: .*permission denied"):
        cancel_plan(plan, runs)
    assert RunStore(runs).status(plan.steps[0]) == "missing"


def test_cancelling_asks_again(tmp_path, command):
    plan, runs = open_plan("demo", tmp_path / "runs", "standin:tiny"), tmp_path / "runs"
    name = submitted(runs, plan.steps[:1])
    command("squeue", f'[ $n -gt 1 ] || away; echo "7|RUNNING|None|n1|{name}"')
    command("scancel", "[ $n -gt 1 ] || away")
    assert cancel_plan(plan, runs) == 0
    assert RunStore(runs).status(plan.steps[0]) == "cancelled"


def test_a_stuck_job_that_cannot_be_cancelled_keeps_nobody_from_submitting(tmp_path, command):
    runs, told = tmp_path / "runs", []
    name = submitted(runs, [STEP])
    command("squeue", f'echo "7|PENDING|PartitionTimeLimit||{name}"')
    command("scancel", 'echo "scancel: error: Access/permission denied" >&2; exit 1')
    command("sbatch", "echo Submitted batch job 42")
    done = launch([STEP], RunStore(runs), Profile(), "demo", tell=told.append)
    assert list(done.jobs.values()) == ["42"]
    assert "jobs 7 were not cancelled" in " ".join(told)


def test_a_job_that_the_grid_gives_less_time_than_its_warning_is_refused(tmp_path, command):
    calls = command("sbatch")
    short = Step("evaluate", "bc", {"name": "bc"}, resources=Resources(time_min=1))
    with pytest.raises(InputError, match="evaluate steps get 1 min, and are to be warned 90 s before"):
        launch([short], RunStore(tmp_path / "runs"), Profile(), "demo", tell=quiet)
    assert not calls.exists()
    launch_with = Profile(signal_delay_s=30)
    command("sbatch", "echo Submitted batch job 42")
    assert launch([short], RunStore(tmp_path / "runs"), launch_with, "demo", tell=quiet).submitted == [short.key]
