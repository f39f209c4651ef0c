"""`results query`, `results export`, `results check` and `gc`: what they print, write, refuse and delete."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.remembered import remember_plan
from gesturebench.benchmarks.shards import FIELDS, SHARD, write_shard
from gesturebench.cli import app
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json
from gesturebench.planning import open_plan
from tests.benchmarks.evaluations import finish

DOCS = Path(__file__).parents[2] / "docs" / "results.md"
ROWS = [
    {"label": "Truth", "method": "ground_truth", "group": "anchor"},
    {"label": "Noise, per clip", "method": "random_clip"},
]
OTHER = [{"label": "Noise, per speech", "method": "random_clip", "config": {"per": "clip"}}]


def write_grid(path: Path, rows: list) -> Path:
    grid = {"title": path.stem, "data": "standin:tiny", "protocol": "standin", "preset": "tiny", "seeds": [0, 1],
            "metrics": ["bc", "l1div"], "rows": rows}  # fmt: skip
    path.write_text(yaml.safe_dump(grid))
    return path


def finish_plan(plan: Plan, runs: Path) -> None:
    """Leave what a run of the plan leaves, but for the motions and weights themselves."""
    for step in plan.steps:
        write_json(step.folder(runs) / "record.json", {"label": step.label, "inputs": {}})
    for number, cell in enumerate(plan.cells):
        for metric, step in cell.evaluate.items():
            units = {"1_ada_0_1_1": {metric: number / 3, "frames": 30}}
            write_shard(finish(runs, step, {metric: number / 3, "n": 1}, units), runs)
    remember_plan(plan, runs)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    """A folder with two grids, both done in one store."""
    folder = tmp_path_factory.mktemp("filled")
    for name, rows in (("two", ROWS), ("other", OTHER)):
        finish_plan(open_plan(str(write_grid(folder / f"{name}.yaml", rows)), folder / "runs"), folder / "runs")
    return folder


@pytest.fixture
def folder(filled, tmp_path, monkeypatch) -> Path:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GESTUREBENCH_RUNS", raising=False)
    return tmp_path


def call(*words: object) -> str:
    """What a command prints on both streams; its error is raised."""
    done = CliRunner().invoke(app, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


BY_LABEL = "SELECT label, count(*) AS n, avg(value) AS mean FROM scores WHERE unit IS NULL GROUP BY 1 ORDER BY 1"


def test_a_query_is_answered_on_the_terminal_and_in_every_format(folder):
    text = call("results", "query", BY_LABEL)
    assert text.splitlines()[0].split() == ["label", "n", "mean"]
    assert "(3 rows)" in text
    assert call("results", "query", BY_LABEL, "--format", "csv").splitlines()[0] == "label,n,mean"
    assert json.loads(call("results", "query", BY_LABEL, "--format", "json"))[0]["n"] == 4
    for ending in ("parquet", "csv", "jsonl", "json", "md", "txt"):
        call("results", "query", BY_LABEL, "--out", f"answer.{ending}")
        assert Path(f"answer.{ending}").stat().st_size > 0
    assert duckdb.sql("FROM 'answer.parquet'").fetchall() == duckdb.sql("FROM 'answer.csv'").fetchall()


def test_a_grid_s_export_holds_its_rows_under_its_labels(folder):
    write_grid(folder / "renamed.yaml", [ROWS[1] | {"label": "Chance"}])
    assert "rows" in call("results", "export", "out.parquet", "--grid", "renamed.yaml")
    found = duckdb.sql("SELECT DISTINCT label, seed, method FROM 'out.parquet' ORDER BY ALL").fetchall()
    assert found == [("Chance", 0, "random_clip"), ("Chance", 1, "random_clip")]
    call("results", "export", "all.csv")
    assert duckdb.sql("SELECT count(DISTINCT evaluate_key) FROM 'all.csv'").fetchall() == [(12,)]


def test_what_is_wrong_is_said_before_anything_is_written(folder):
    with pytest.raises(InputError, match=r"unknown ending '\.xlsx'; expected one of \.csv, \.jsonl, \.parquet"):
        call("results", "export", "out.xlsx")
    with pytest.raises(InputError, match="unknown format 'htlm'"):
        call("results", "query", BY_LABEL, "--format", "htlm")
    with pytest.raises(InputError, match=r"--format parquet; expected a file for it; add --out scores\.parquet"):
        call("results", "query", BY_LABEL, "--format", "parquet")
    with pytest.raises(InputError, match="unknown column at position 8 'lable'"):
        call("results", "query", "SELECT lable FROM scores", "--out", "out.csv")
    assert not list(folder.glob("out.*"))


def test_check_compares_stores_and_its_exit_code_says_so(folder):
    shutil.copytree("runs", "theirs")
    assert "0 faults" in call("results", "check", "theirs")
    record = next(Path("theirs/evaluate").glob("*/record.json"))
    content = read_json(record)
    (metric,) = content["metrics"].keys() - {"n"}
    write_json(record, content | {"metrics": content["metrics"] | {metric: 9.5}})
    done = CliRunner().invoke(app, ["results", "check", "theirs"])
    assert done.exit_code == 1
    assert "2 faults" in done.output  # against its own shard, and against the other store
    with pytest.raises(InputError, match="nowhere: no finished evaluation"):
        call("results", "check", "nowhere")


def keys(plan_name: str) -> set[str]:
    return {step.key for step in open_plan(plan_name, Path("runs")).steps}


def stored() -> set[str]:
    return {path.parent.name for path in Path("runs").glob("*/*/record.json")}


def test_what_was_ever_run_stays_unless_grids_are_named(folder):
    assert "0 to delete" in call("gc", "--delete")
    assert stored() == keys("two.yaml") | keys("other.yaml")
    text = call("gc", "two.yaml")
    assert "6 to delete" in text
    assert "Nothing was deleted: add --delete" in text
    assert "generate Noise, per speech (seed 1)" in text
    assert stored() == keys("two.yaml") | keys("other.yaml")
    assert "are free" in call("gc", "two.yaml", "--delete")
    assert stored() == keys("two.yaml")


def test_variants_of_a_named_grid_stay_unless_it_is_meant_exactly(folder):
    more = open_plan("two.yaml", Path("runs"), seeds="0..2")
    finish_plan(more, Path("runs"))
    third = {step.key for step in more.steps} - keys("two.yaml")
    assert "seed 2" not in call("gc", "two.yaml")
    assert "6 to delete" in call("gc", "two.yaml", "--seeds", "0..2", "--exactly")
    call("gc", "two.yaml", "--exactly", "--delete")
    assert third
    assert not third & stored()


def test_scores_of_a_grid_are_those_of_its_seeds_as_asked(folder):
    finish_plan(open_plan("two.yaml", Path("runs"), seeds="0..2"), Path("runs"))
    count = "SELECT count(*) AS n FROM scores WHERE unit IS NULL"
    plain, more = (call("results", "query", count, "--grid", "two.yaml", "--format", "csv", *words)
                   for words in ((), ("--seeds", "0..2")))  # fmt: skip
    assert int(more.split()[-1]) == int(plain.split()[-1]) * 3 // 2


def test_a_grid_that_is_misspelt_deletes_nothing(folder):
    with pytest.raises(InputError, match=r"two\.yml"):
        call("gc", "two.yml", "--delete")
    assert stored() == keys("two.yaml") | keys("other.yaml")


def test_trackers_of_a_cluster_s_jobs_are_refused(folder):
    with pytest.raises(InputError, match="--track is about this machine"):
        call("run", "two.yaml", "--launcher", "slurm", "--track", "wandb")


def test_the_page_lists_the_columns_of_a_shard():
    rows = [line.strip("|").split("|") for line in DOCS.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    listed = {name.strip(" `"): (kind.strip(), meaning.strip()) for name, kind, meaning in rows}
    assert listed == {name: (field.type, field.meaning) for name, field in FIELDS.items()}
    assert list(listed) == list(FIELDS)


def test_the_page_s_queries_can_be_asked(folder):
    blocks = DOCS.read_text(encoding="utf-8").split("```sql\n")[1:]
    queries = [block.partition("```")[0] for block in blocks]
    assert len(queries) >= 3
    for query in queries:
        assert "row" in call("results", "query", query)


def test_the_page_s_files_are_those_of_a_store(folder):
    text = DOCS.read_text(encoding="utf-8")
    for path in ("record.json", "per_clip.json", SHARD, ".grids", ".claims", ".attempts", ".failed", ".work", ".trash"):
        assert f"{path}" in text
