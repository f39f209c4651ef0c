"""What a real run leaves is asked, exported, checked and collected through the command line."""

import shutil

import duckdb
import pytest
import yaml

from gesturebench.benchmarks.shards import SHARD
from gesturebench.benchmarks.state import RunStore
from gesturebench.planning import open_plan

pytestmark = pytest.mark.slow


def test_every_evaluation_of_a_run_has_a_shard_that_says_what_its_record_says(call, grid, runs):
    plan = open_plan(str(grid), runs)
    steps = [step for cell in plan.cells for step in cell.evaluate.values()]
    assert all((step.folder(runs) / SHARD).is_file() for step in steps)
    checked = call("results", "check", "--runs", runs)
    assert (checked.returncode, checked.stdout.startswith("0 faults")) == (0, True), checked.stdout
    records = RunStore(runs).records(steps)
    found = duckdb.sql(
        f"SELECT evaluate_key, value, label, commit, protocol_hash FROM '{runs}/evaluate/*/{SHARD}' WHERE unit IS NULL"
    )
    rows = {key: rest for key, *rest in found.fetchall()}
    for cell in plan.cells:
        for metric, step in cell.evaluate.items():
            record = records[step.key]
            commit = record["commit"] and record["commit"]["commit"]
            assert rows[step.key] == [record["metrics"][metric], cell.row.label, commit, plan.protocol.hash]


def test_units_weighted_by_n_or_frames_are_the_whole(call, runs):
    done = call(
        "results", "query", "--runs", runs, "--format", "csv",
        "SELECT max(abs(whole - mean) / abs(whole)) AS worst, count(*) AS n FROM (SELECT evaluate_key, "
        "any_value(value) FILTER (unit IS NULL) AS whole, sum(value * coalesce(n, frames)) FILTER (unit IS NOT NULL) "
        "/ sum(coalesce(n, frames)) FILTER (unit IS NOT NULL) AS mean FROM scores GROUP BY 1)",
    )  # fmt: skip
    worst, n = done.stdout.splitlines()[1].split(",")
    assert float(worst) < 1e-12
    assert int(n) == 6


def test_nothing_of_a_run_is_garbage_and_what_is_taken_away_is_made_again(call, grid, runs, tmp_path):
    store = tmp_path / "runs"
    shutil.copytree(runs, store)
    before = call("table", grid, "--runs", store, "--format", "csv").stdout
    assert "0 to delete" in call("gc", "--runs", store).stdout
    assert "0 to delete" in call("gc", grid, "--runs", store, "--delete").stdout
    other = tmp_path / "other.yaml"
    smaller = yaml.safe_load(grid.read_text())
    other.write_text(
        yaml.safe_dump(smaller | {"rows": [row for row in smaller["rows"] if row["label"] != "Random clip"]})
    )
    deleted = call("gc", other, "--exactly", "--runs", store, "--delete")
    assert "are free" in deleted.stdout, deleted.stderr
    assert call("table", other, "--runs", store, "--format", "csv").stdout.count(",done,") == 2 * 2
    assert call("run", grid, "--runs", store, "--workers", 1).returncode == 0
    assert call("table", grid, "--runs", store, "--format", "csv").stdout == before


def test_a_run_tells_tensorboard(call, grid, runs, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    store = tmp_path / "runs"
    shutil.copytree(runs, store)
    shutil.rmtree(store / "evaluate")
    done = call("run", grid, "--runs", store, "--workers", 1, "--track", "tensorboard")
    assert done.returncode == 0, done.stderr
    (folder,) = (store / "tracking" / "tensorboard").iterdir()
    found = accumulator.EventAccumulator(str(folder)).Reload()
    scores = {tag for tag in found.Tags()["scalars"] if tag.startswith("score/")}
    assert {f"score/{metric}/Random_clip" for metric in ("bc", "l1div")} <= {tag.replace(" ", "_") for tag in scores}


def test_trackers_that_are_not_there_are_said_before_anything_runs(call, grid, tmp_path):
    done = call("run", grid, "--runs", tmp_path, "--track", "tensorbord")
    assert done.returncode == 2
    assert "unknown tracker 'tensorbord'" in done.stderr
    assert not (tmp_path / "evaluate").exists()
