"""The verbs about running, without a cluster: what is refused before anything happens, and running again here."""

import json

import pytest
import yaml

from gesturebench.benchmarks.state import RunStore
from gesturebench.planning import open_plan

NOWHERE = {"PATH": "/nonexistent"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--launcher", "slrum"), "unknown launcher 'slrum'; expected one of local, slurm; did you mean 'slurm'?"),
        (("--wait",), "--wait is about a cluster; add --launcher slurm"),
        (("--profile", "cluster.yaml"), "--profile is about a cluster"),
        (("--launcher", "slurm"), "no such command"),
        (("--launcher", "slurm", "--profile", "none.yaml"), "none.yaml"),
    ],
)
def test_what_cannot_be_launched_is_refused_before_anything_is_submitted(call, grid, tmp_path, words, told):
    done = call("run", grid, "--runs", tmp_path, *words, **NOWHERE)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / ".slurm").exists()


def test_a_broken_profile_names_the_key(call, grid, tmp_path):
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump({"defaults": {"mem_gib": 4}}))
    done = call("run", grid, "--runs", tmp_path, "--launcher", "slurm", "--profile", tmp_path / "cluster.yaml")
    assert done.returncode == 2
    assert "unknown key of cluster.yaml.defaults 'mem_gib'" in done.stderr
    assert "did you mean 'mem_gb'" in done.stderr


@pytest.fixture
def with_a_failure(grid, runs, tmp_path):
    """A store like the finished one, but for one score that has failed and one that was never made."""
    import shutil

    store = tmp_path / "store"
    shutil.copytree(runs, store)
    scores = [step for step in open_plan(str(grid), store).steps if step.kind == "evaluate"]
    for step in scores[:2]:
        shutil.rmtree(step.folder(store))
    report = RunStore(store).failure_file(scores[0].key)
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps({"failure": {"kind": "error", "exception": "E", "message": "broke"}}))
    return store, scores[0], scores[1]


def test_only_what_is_named_is_run_again(call, grid, with_a_failure):
    store, failed, missing = with_a_failure
    status = call("status", grid, "--runs", store)
    assert f"failed: evaluate {failed.label}: E: broke" in status.stdout
    done = call("resubmit", grid, "--runs", store, "--only", "failed", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "1 of 15 steps are left" in done.stdout
    assert RunStore(store).is_done(failed)
    assert not RunStore(store).is_done(missing)
    done = call("resubmit", grid, "--runs", store, "--step", missing.key[:10], "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert RunStore(store).is_done(missing)


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--only", "fialed"), "did you mean 'failed'"), (("--step", "zzz"), "no step of the grid has a key")],
)
def test_what_is_to_run_again_must_exist(call, grid, runs, words, told):
    done = call("resubmit", grid, "--runs", runs, *words)
    assert done.returncode == 2
    assert told in done.stderr


def test_logs_of_nothing_say_so(call, runs):
    done = call("logs", "no such label", "--runs", runs)
    assert done.returncode == 2
    assert "nothing was tried" in done.stderr
