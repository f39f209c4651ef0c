"""Toy steps on the real Slurm: order, failure, memory, signals, preemption, cancelling, and what is refused."""

import pytest
from cluster_jobs import step

from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.slurm.cancelling import cancel_steps
from gesturebench.slurm.submission import submissions

pytestmark = pytest.mark.slow


def test_arrays_wait_for_their_partners_and_a_failure_blocks_only_its_own(study):
    data = step("data", kind="prepare")
    fits = [step(f"fit {i}", data, **({"does": "fail"} if i == 1 else {})) for i in range(3)]
    motions = [step(f"motion {i}", fit, kind="generate") for i, fit in enumerate(fits)]
    scores = [step(f"{m} {i}", motion, kind="evaluate") for i, motion in enumerate(motions) for m in ("bc", "fgd")]
    toy = study(*scores)
    done = toy.launch()
    assert len(done.jobs) == 4  # one array for each kind of step
    assert toy.launch().submitted == []  # all of it is on its way
    assert toy.follow() == 1
    states = toy.states()
    assert states["fit 1"].status == "failed"
    for label in ("motion 1", "bc 1", "fgd 1"):
        assert states[label].status == "blocked"
        assert "fit 1" in states[label].detail
        assert toy.outcomes(label) == []
    others = [label for label in states if not label.endswith("1")]
    assert all(states[label].status == "done" and toy.outcomes(label) == ["done"] for label in others)
    assert read_json(toy["bc 2"].folder(toy.store.runs) / "value.json") == 4


def test_one_failure_in_a_pack_leaves_the_rest_alone_and_says_how_to_retry(study):
    toy = study(*(step(str(i), kind="evaluate", does="fail" if i == 3 else "work") for i in range(8)))
    assert toy.launch().n_jobs == 1
    assert toy.follow() == 1
    assert toy.statuses() == {str(i): "failed" if i == 3 else "done" for i in range(8)}
    report = toy.report("3")
    assert report["failure"]["message"] == "the step broke"
    assert "cluster_jobs.py" in report["failure"]["traceback"]
    assert report["retry"] == f"gesturebench resubmit toy --step {toy['3'].key}"
    assert "--launcher local" in report["reproduce"]
    assert report["job"] == report["attempts"][0]["job"]


def test_a_step_without_memory_is_tried_once_more_with_half_the_batch(study):
    toy = study(step("hog", does="hog", mb=500), defaults={"mem_gb": 0.5, "time_min": 10})
    assert toy.follow() == 0
    assert toy.outcomes("hog") == ["memory", "done"]
    assert toy.store.record(toy["hog"])["batch_divisor"] == 2


def test_a_step_that_dies_twice_has_ended_for_good(study):
    toy = study(step("dead", does="die"), step("good"))
    assert toy.follow() == 1
    assert toy.outcomes("dead") == ["crash", "crash"]
    assert toy.statuses() == {"dead": "failed", "good": "done"}


def _training(tmp_path, **spec):
    return step("training", does="train", steps=60, pause_s=0.1, log=str(tmp_path / "log"), **spec)


def _lines(tmp_path) -> list[str]:
    log = tmp_path / "log"
    return log.read_text().split() if log.exists() else []


def test_a_warned_training_goes_back_into_the_queue_and_ends_in_the_same_bits(study, undisturbed, tmp_path):
    toy = study(_training(tmp_path))
    (job,) = toy.launch().jobs.values()
    toy.wait_for(lambda: len(_lines(tmp_path)) >= 15)
    toy.cluster.call("scancel", "--signal=USR2", job)
    assert toy.follow() == 0
    lives = _lines(tmp_path)
    assert sorted(set(lives)) == ["0", "1"]
    assert len(lives) < 60 + 10  # what was saved was not made again
    assert toy.outcomes("training") == ["preempted", "done"]
    assert toy.store.record(toy["training"])["weights"] == undisturbed


def test_a_training_that_may_not_be_preempted_again_has_a_state_of_its_own(study, tmp_path):
    toy = study(_training(tmp_path), step("after", _training(tmp_path)), policy={"preempted": 0})
    job = next(iter(toy.launch().jobs.values()))
    toy.wait_for(lambda: len(_lines(tmp_path)) >= 5)
    toy.cluster.call("scancel", "--signal=USR2", job)
    assert toy.follow() == 1
    assert toy.statuses() == {"training": "preempted", "after": "blocked"}


def test_cancelled_steps_stay_so_until_somebody_wants_them(study, tmp_path):
    toy = study(_training(tmp_path), step("after", _training(tmp_path)))
    toy.launch()
    toy.wait_for(lambda: len(_lines(tmp_path)) >= 5)
    cancelled = cancel_steps(toy.steps, toy.store)
    assert [found.label for found in cancelled.steps] == ["training", "after"]
    assert toy.follow() == 1
    assert toy.statuses() == {"training": "cancelled", "after": "cancelled"}
    toy.launch()
    assert toy.follow() == 0
    assert set(_lines(tmp_path)) == {"0"}  # the cancelled job did not put itself back


def test_refused_resources_are_told_before_anything_is_submitted(study):
    toy = study(step("a"), steps={"fit": {"partition": "no-such"}})
    with pytest.raises(InputError, match="invalid partition specified"):
        toy.launch()
    assert submissions(toy.store.runs) == []


def test_a_job_that_never_starts_is_reported_and_replaced(study):
    toy = study(step("a"), defaults={"mem_gb": 0.4, "time_min": 30, "partition": "short"})
    toy.launch()
    toy.wait_for(lambda: "never starts" in toy.states()["a"].detail)
    assert "PartitionTimeLimit" in toy.states()["a"].detail
    mended = study(step("a"))
    mended.launch()
    assert toy.cluster.call("squeue", "--noheader", "--states=PENDING", "--partition=short") == ""
    assert mended.follow() == 0
