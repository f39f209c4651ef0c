"""A real grid through the command line: submitted, followed, equal to the local run digit for digit."""

import pytest
import yaml

from gesturebench.slurm.submission import submissions

pytestmark = pytest.mark.slow


def test_a_grid_ends_in_the_local_table_digit_for_digit(cluster, call, grid, runs, tmp_path):
    folder, profile = tmp_path / "runs", tmp_path / "cluster.yaml"
    profile.write_text(yaml.safe_dump({"defaults": {"mem_gb": 1, "time_min": 10}, "steps": {"fit": {"cpus": 2}}}))
    submit = ("run", grid, "--runs", folder, "--launcher", "slurm", "--profile", profile)
    done = call(*submit, "--wait")
    assert done.returncode == 0, done.stderr
    local, there = (call("table", grid, "--runs", store, "--format", "csv") for store in (runs, folder))
    assert local.returncode == 0, local.stderr
    assert there.stdout == local.stdout
    before = len(submissions(folder))
    again = call(*submit)
    assert again.returncode == 0, again.stderr
    assert "steps are done" in again.stdout
    assert len(submissions(folder)) == before
    status, logs = call("status", grid, "--runs", folder), call("logs", "RAG (seed 0)", "--runs", folder)
    assert "evaluate  6" in status.stdout, status.stderr
    assert "job " in logs.stdout, logs.stderr
    assert ": done" in logs.stdout
