"""Where a plan was run last."""

from dataclasses import replace

import pytest

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.launching import default_launcher
from gesturebench.planning import open_plan
from gesturebench.slurm.packs import Array
from gesturebench.slurm.profile import DEFAULT, Profile
from gesturebench.slurm.submission import array_name, write_submission


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return open_plan("demo", tmp_path_factory.mktemp("plan"), "standin:tiny")


def submit(runs, step, nonce: str) -> None:
    write_submission(runs, nonce, "demo", "me", Profile(), [Array(array_name(nonce, 0), DEFAULT, ((step,),))], None)


def test_a_plan_is_run_again_where_it_was_run_last(plan, tmp_path):
    first, second = plan.steps[:2]
    assert default_launcher(plan, tmp_path) == "local"
    attempts = Attempts(tmp_path)
    attempts.end(attempts.begin(first), "error")
    submit(tmp_path, first, "1111111111")
    assert default_launcher(plan, tmp_path) == "slurm"
    job = replace(attempts.begin(second), job="7", node="n1")
    attempts.end(job, "error")
    assert default_launcher(plan, tmp_path) == "slurm"
    attempts.end(attempts.begin(second), "error")  # somebody went on here
    assert default_launcher(plan, tmp_path) == "local"
    submit(tmp_path, second, "2222222222")
    assert default_launcher(plan, tmp_path) == "slurm"
