"""What nobody planned: a dead controller, a dead submitter, many short steps, and all of it at random."""

import random
import subprocess
from pathlib import Path

import chaos
import pytest
from cluster_jobs import step

from gesturebench.benchmarks.attempts import Attempts
from gesturebench.slurm.launch import reconcile
from gesturebench.slurm.submission import submissions

pytestmark = pytest.mark.slow


def done_once(study) -> bool:
    attempts = Attempts(study.store.runs)
    return all([one.outcome for one in attempts.of(found.key)].count("done") == 1 for found in study.steps)


def test_a_controller_that_is_killed_and_restarted_loses_nothing(study):
    toy = study(*(step(f"score {i}", step("data", kind="prepare", pause_s=3.0), kind="evaluate") for i in range(6)))
    toy.launch()
    toy.wait_for(lambda: toy.statuses()["data"] == "running")
    toy.cluster.kill("slurmctld")
    assert toy.statuses()["data"] in ("running", "done")  # the files say so, nobody else answers
    toy.cluster.start()
    assert toy.follow() == 0
    assert done_once(toy)


def test_a_submitter_that_is_killed_while_it_submits_leaves_nothing_twice(study, tmp_path):
    grid = chaos.ToyGrid(tmp_path, motions=4)
    toy = study(*grid.steps())
    submitter = subprocess.Popen([*grid.submitter()], stdout=subprocess.DEVNULL)
    try:
        toy.wait_for(lambda: list(tmp_path.glob("runs/.slurm/*/array-1.json")))
    finally:
        submitter.kill()
    submitter.wait()
    (interrupted,) = submissions(toy.store.runs)
    reconcile([interrupted], lambda line: None)
    (reconciled,) = submissions(toy.store.runs)
    assert set(interrupted.jobs) <= set(reconciled.jobs)
    assert set(reconciled.jobs) == set(reconciled.names())  # each was adopted or declared void
    toy.launch()
    assert toy.follow() == 0
    assert done_once(toy)


def test_a_submission_whose_answers_were_never_noted_is_adopted(study):
    toy = study(step("b", step("a", pause_s=2.0)))
    toy.launch()
    (submission,) = submissions(toy.store.runs)
    for answer in submission.folder.glob("array-*.json"):
        answer.unlink()
    for pickle in submission.folder.glob("jobs/*.pkl"):  # the submitter was killed before it had moved them
        pickle.unlink()
    again = toy.launch()
    assert again.submitted == []
    assert sorted(again.live) == sorted(found.key for found in toy.steps)
    assert toy.follow() == 0
    assert done_once(toy)


def test_five_hundred_short_steps_share_a_few_jobs(study):
    toy = study(*(step(str(i), kind="evaluate") for i in range(500)))
    launched = toy.launch()
    assert (len(launched.jobs), launched.n_jobs) == (1, 10)
    assert toy.follow() == 0
    assert done_once(toy)


def test_chaos(cluster, tmp_path):
    """Six kills at random times; the full run of twenty over a real grid is a command, see chaos.py."""
    grid = chaos.ToyGrid(tmp_path, motions=4)
    told: list[str] = []
    chaos.Chaos(grid, Path(cluster.folder), 6, random.Random(2), told.append).run(patience_s=240)
    assert sum("kill " in line for line in told) == 6, told
    assert chaos.faults(grid, grid.steps(), grid.undisturbed()) == [], told
