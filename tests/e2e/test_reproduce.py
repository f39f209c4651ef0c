"""A published table by name: planned, run and printed in one command, also a second time and while nothing is there."""

import csv
import io

import pytest
import yaml

from gesturebench.results.specs import load_spec

from .conftest import GRID

pytestmark = pytest.mark.slow


@pytest.fixture
def spec(corpus, tmp_path):
    """Two rows of a published table on the smallest corpus, with methods that train nothing."""
    names = {"Ground truth": "ground_truth", "CaMN": "random_clip"}
    rows = [{"label": label, "method": method, "group": "anchor"} for label, method in names.items()]
    absent = {"label": "EMAGE", "method": "emage", "awaits": "a machine that trains it"}
    grid = GRID | {"data": str(corpus), "rows": [*rows, absent]}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    published = load_spec("raggesture-table1").model_dump(mode="json")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(published | {"grids": [str(tmp_path / "grid.yaml")]}))
    return tmp_path / "mine.yaml"


def rows_of(text: str) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["row"], row["column"]): row for row in csv.DictReader(io.StringIO(text))}


def test_plan_run_and_table_in_one(call, spec, corpus, tmp_path):
    words = ("reproduce", spec, "--data", corpus, "--preset", "tiny", "--runs", tmp_path / "runs", "--workers", 1)
    done = call(*words, "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    truth = rows["Ground truth", "L1Div"]
    assert (truth["published"], truth["status"]) == ("7.29", "done")
    assert float(truth["mean"]) > 0
    assert rows["EMAGE", "FGD"]["status"] == "not available"
    assert rows["CaMN", "BeatAlign"]["mean"] != ""
    again = call(*words, "--format", "markdown")
    assert ", 0 to do" in again.stderr
    assert "L1Div ≈GT published | L1Div ≈GT ours (stand-in)" in again.stdout
    assert "(ours on the stand-in corpus, not BEAT2)" in again.stdout


def test_a_table_without_any_method_still_has_the_published_numbers(call, tmp_path):
    done = call("reproduce", "exges-table4", "--runs", tmp_path / "runs", "--out", tmp_path / "table.tex")
    assert done.returncode == 0, done.stderr
    assert r"85.60 & not available" in (tmp_path / "table.tex").read_text()
    assert not (tmp_path / "runs").exists()


def test_the_list_and_faults(call):
    listed = call("reproduce", "--list", COLUMNS="200").stdout
    assert "exges-table3" in listed
    assert "raggesture-table1" in listed
    wrong = call("reproduce", "exges-tabel3")
    assert wrong.returncode == 2
    assert "did you mean 'exges-table3'" in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1
