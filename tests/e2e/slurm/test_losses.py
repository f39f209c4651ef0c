"""Nodes, accounting and memory that are lost, jobs that have to give way: every step is finished once all the same."""

import contextlib
import time
from pathlib import Path

import pytest
from cluster_jobs import METHODS, step
from conftest import running_cluster, studying

from gesturebench.benchmarks.step import Step
from gesturebench.common.files import read_json

pytestmark = pytest.mark.slow


def training(folder: Path, name: str = "training", kind: str = "fit", **spec: object) -> Step:
    log = str(folder / f"{name}.log")
    return step(name, kind=kind, does="train", steps=60, pause_s=0.1, log=log, **spec)


def lines(folder: Path, name: str = "training") -> list[str]:
    log = folder / f"{name}.log"
    return log.read_text().split() if log.exists() else []


def test_lost_nodes_cost_time_and_nothing_else(study, undisturbed, tmp_path):
    """One node is declared down: Slurm requeues the job itself. Another vanishes under a job that may not be requeued:
    the job is submitted again, without that node."""
    names = ("declared", "vanished")
    toy = study(*(training(tmp_path, name) for name in names), defaults={"mem_gb": 3, "time_min": 10})
    toy.launch()
    toy.wait_for(lambda: all(len(lines(tmp_path, name)) >= 12 for name in names))
    jobs, nodes = ({name: found(name) for name in names} for found in (toy.job, lambda n: toy.attempts(n)[0].node))
    assert nodes["declared"] != nodes["vanished"]
    try:
        toy.cluster.call("scontrol", "update", f"jobid={jobs['vanished']}", "requeue=0")
        toy.cluster.lose(nodes["vanished"], jobs["vanished"])
        toy.cluster.call("scontrol", "update", f"nodename={nodes['declared']}", "state=down", "reason=test")
        assert toy.follow() == 0
    finally:
        toy.cluster.start()
    assert toy.outcomes("vanished") == ["node", "done"]
    assert toy.outcomes("declared")[1:] == ["done"]
    assert toy.job("declared") == jobs["declared"]
    assert toy.attempts("vanished")[1].node != nodes["vanished"]
    assert toy.job("vanished") != jobs["vanished"]
    scripts = "".join(path.read_text() for path in toy.store.runs.glob(".slurm/*/jobs/*.sh"))
    assert f"--exclude={nodes['vanished']}" in scripts
    for name in names:
        assert toy.store.record(toy[name])["weights"] == undisturbed
        assert len(lines(tmp_path, name)) < 60 + 12  # it went on from its checkpoint


def test_without_accounting_the_queue_tells_how_a_job_ended(study, tmp_path):
    toy = study(training(tmp_path, "killed"), training(tmp_path, "cancelled"))
    toy.launch()
    toy.wait_for(lambda: all(lines(tmp_path, name) for name in ("killed", "cancelled")))
    jobs = {name: toy.job(name) for name in ("killed", "cancelled")}
    toy.cluster.kill("slurmdbd")
    try:
        toy.cluster.kill_processes(jobs["killed"])
        toy.cluster.call("scancel", jobs["cancelled"])
        toy.wait_for(lambda: toy.statuses()["killed"] == "failed")
        assert f"job {jobs['killed']} on n" in toy.states()["killed"].detail
        toy.wait_for(lambda: toy.statuses()["cancelled"] == "cancelled")
        toy.launch(by_hand=False, choose=lambda step, state: state.status == "missing")
        assert toy.job("cancelled") == jobs["cancelled"]
        assert toy.job("killed") != jobs["killed"]
    finally:
        toy.cluster.start()
    assert toy.follow() == 1
    assert toy.statuses() == {"killed": "done", "cancelled": "cancelled"}
    assert toy.outcomes("killed") == ["crash", "done"]


@pytest.mark.parametrize("signal", ["user signal", "TERM alone"])
def test_preempted_trainings_give_way_and_end_in_the_same_bits(study, undisturbed, tmp_path, signal):
    """`low` requeues what it preempts, `scavenge` ends it."""
    names, requests = ("low", "scavenge"), {"fit": {"partition": "low"}, "generate": {"partition": "scavenge"}}
    preempted = tmp_path / "preempted"  # none ends before
    steps = (training(tmp_path, name, kind, linger_for=str(preempted)) for name, kind in zip(names, requests))
    toy = study(*steps, steps=requests)
    without = toy.cluster.configured("SlurmctldParameters=", "#SlurmctldParameters=")
    with without if signal == "TERM alone" else contextlib.nullcontext():
        toy.launch()
        toy.wait_for(lambda: all(len(lines(tmp_path, name)) >= 12 for name in names))
        urgent = ("sbatch", "-Jurgent", "-pmain", "-N4", "--ntasks-per-node=4", "-o/dev/null", "--wrap", "sleep 2")
        toy.cluster.call(*urgent)
        toy.wait_for(lambda: all(toy.outcomes(name)[:1] == ["preempted"] for name in names))
        preempted.touch()
        assert toy.follow() == 0
    for name in names:
        assert toy.outcomes(name) == ["preempted", "done"]
        assert toy.store.record(toy[name])["weights"] == undisturbed
        assert len(lines(tmp_path, name)) < 60 + 10


def test_a_warning_while_python_is_still_starting_does_no_harm(study):
    delays = (0.0, 0.1, 0.2, 0.4, 0.8)
    toy = study(*(step(f"after {delay}", pause_s=5.0) for delay in delays))  # none ends before it is warned
    toy.launch()
    for delay in delays:
        job = toy.job(f"after {delay}")
        while toy.cluster.state(job) == "PENDING":
            time.sleep(0.02)
        time.sleep(delay)
        toy.cluster.call("scancel", "--signal=USR2", job)
    assert toy.follow() == 0
    for delay in delays:
        assert toy.outcomes(f"after {delay}") in (["done"], ["preempted", "done"])


def test_a_warning_spares_the_children_of_a_step(study, tmp_path):
    toy = study(step("family", does="family", steps=40, log=str(tmp_path / "log")))
    toy.launch()
    toy.wait_for((tmp_path / "log").exists)
    toy.cluster.call("scancel", "--signal=USR2", toy.job("family"))
    assert toy.follow() == 0
    assert toy.outcomes("family") == ["preempted", "done"]
    # in the beginning and in the end of each of two lives
    assert (tmp_path / "log").read_text().splitlines() == [" ".join(METHODS)] * 4


def test_a_job_that_a_node_cannot_launch_is_tried_elsewhere(study, tmp_path):
    """Slurm drains the node and holds the job for ever ("launch failed requeued held")."""
    toy = study(step("a"))
    prolog = tmp_path / "prolog"
    prolog.write_text("#!/bin/sh\nexit 1\n")
    prolog.chmod(0o755)
    try:
        with toy.cluster.configured("MailProg=", f"Prolog={prolog}\nMailProg="):
            toy.launch()
            first = toy.job("a")
            toy.wait_for(lambda: "launch failed" in toy.states()["a"].detail)
        assert toy.states()["a"].detail.endswith("never starts")
        assert toy.follow() == 0
    finally:
        toy.cluster.start()
    assert toy.job("a") != first
    assert toy.outcomes("a") == ["node", "done"]
    assert toy.cluster.call("squeue", "-h", "-t", "PENDING") == ""


def test_a_job_that_a_person_holds_is_told_and_replaced_by_hand_alone(study):
    toy = study(
        step("b", step("a"), kind="generate"), defaults={"mem_gb": 0.4, "time_min": 10, "options": {"hold": True}}
    )
    toy.launch()
    jobs = {name: toy.job(name) for name in "ab"}
    assert "JobHeldUser, never starts" in toy.states()["a"].detail
    assert toy.follow() == 1  # comes to an end, and submits nothing
    assert {name: toy.job(name) for name in "ab"} == jobs
    assert toy.outcomes("a") == []
    mended = study(*toy.steps)
    mended.launch()
    assert not {mended.job(name) for name in "ab"} & {*jobs.values()}
    assert mended.follow() == 0
    assert mended.outcomes("a") == ["done"]


def test_a_kill_of_the_kernel_is_a_lack_of_memory(tmp_path):
    if not Path("/sys/fs/cgroup/memory/cgroup.procs").exists():
        pytest.skip("no memory controller of cgroup v1 here, which --cgroup of start-slurm needs")
    with running_cluster("--cgroup", "--nodes", "1") as cluster, studying(cluster, tmp_path) as study:
        toy = study(step("hog", does="hog", mb=500), defaults={"mem_gb": 0.4, "time_min": 10})
        toy.launch()
        assert toy.follow() == 0
    assert toy.outcomes("hog") == ["memory", "done"]
    assert read_json(toy["hog"].folder(toy.store.runs) / "record.json")["batch_divisor"] == 2
