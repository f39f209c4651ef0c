"""A real grid through the command line: submitted, followed, equal to the local run digit for digit."""

import pytest
import yaml

from gesturebench.slurm.submission import submissions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "cluster.yaml"
    path.write_text(yaml.safe_dump({"defaults": {"mem_gb": 1, "time_min": 10}, "steps": {"fit": {"cpus": 2}}}))
    return path


@pytest.fixture(scope="module")
def cluster_runs(cluster, call, grid, profile, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster-runs")
    done = call("run", grid, "--runs", folder, "--launcher", "slurm", "--profile", profile, "--wait")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_table_is_the_local_one_digit_for_digit(call, grid, runs, cluster_runs):
    local, there = (call("table", grid, "--runs", folder, "--format", "csv") for folder in (runs, cluster_runs))
    assert local.returncode == 0, local.stderr
    assert there.stdout == local.stdout


def test_a_second_submission_finds_everything_done(call, grid, cluster_runs, profile):
    before = len(submissions(cluster_runs))
    again = call("run", grid, "--runs", cluster_runs, "--launcher", "slurm", "--profile", profile)
    assert again.returncode == 0, again.stderr
    assert "steps are done" in again.stdout
    assert len(submissions(cluster_runs)) == before


def test_logs_and_status_find_what_ran_where(call, grid, cluster_runs):
    status = call("status", grid, "--runs", cluster_runs)
    assert status.returncode == 0, status.stderr
    assert "evaluate  6" in status.stdout
    logs = call("logs", "RAG (seed 0)", "--runs", cluster_runs)
    assert logs.returncode == 0, logs.stderr
    assert "job " in logs.stdout
    assert ": done" in logs.stdout
