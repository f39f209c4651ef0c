"""What a job does with its pack; the variables of a job are all that it needs of Slurm."""

import json
import sys
import time
from pathlib import Path

import pytest

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.benchmarks.step import Step
from gesturebench.slurm.packs import Array
from gesturebench.slurm.payload import Payload
from gesturebench.slurm.profile import DEFAULT, Profile
from gesturebench.slurm.submission import array_name, write_answer, write_submission

STEP = Step("fit", "a", {"name": "a"})
TOYS = Path(__file__).parents[1] / "e2e" / "slurm"


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """The folder of a submission of one step, as job 7 finds it."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(TOYS)])
    for name, value in {"JOB_ID": "7", "JOB_END_TIME": f"{time.time() + 600:.0f}"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    array = Array(array_name("0123456789", 0), DEFAULT, ((STEP,),))
    return write_submission(tmp_path, "0123456789", "g", "me", Profile(), [array], "cluster_jobs:execute").folder


def run(folder: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        Payload(folder, 0)(0)
    return ended.value.code


def test_code_that_has_changed_since_the_submission_is_noted_in_the_attempt(pack, tmp_path, capsys):
    path = pack / "submission.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"code": "of yesterday"}))
    assert run(pack) == 0
    (attempt,) = Attempts(tmp_path).of(STEP.key)
    assert attempt.outcome == "done"
    assert attempt.remark.startswith("the code has changed since this was submitted (of yesterday, now ")
    assert attempt.remark in capsys.readouterr().out


def test_the_code_of_the_submission_is_no_news(pack, tmp_path):
    assert run(pack) == 0
    assert Attempts(tmp_path).of(STEP.key)[0].remark == ""


def test_a_job_that_was_declared_void_does_nothing(pack, tmp_path):
    write_answer(pack, 0, "")
    assert run(pack) == 0
    assert Attempts(tmp_path).of(STEP.key) == []
