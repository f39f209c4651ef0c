"""SQL over the scores of a store: with shards and without, merged stores, answers as text, faults in one line."""

import csv
import io
import json
import math
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from gesturebench.benchmarks.shards import FIELDS, SHARD, write_shard
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, write_json
from gesturebench.results.answer_text import to_csv, to_json, to_markdown, to_terminal
from gesturebench.results.query import EVERYTHING, Answer, Named, open_scores
from gesturebench.results.store_check import check_stores
from tests.benchmarks.evaluations import evaluation, finish

STEPS = {
    (metric, seed, label): evaluation(metric, seed, label, method)
    for label, method in (("Random", "random_clip"), ("RAG | ours", "rag_gesture"))
    for seed in (0, 1)
    for metric in ("fgd", "bc")
}


def value_of(metric: str, seed: int, label: str) -> float:
    return (3.0 if metric == "fgd" else 0.25) + seed / 3 + len(label) / 100


def fill(runs: Path, places, shards: bool = True) -> Path:
    for place in places:
        metric, value = place[0], value_of(*place)
        own = {"bc": value, "bc_n": 7} if metric == "bc" else {}
        units = {f"1_ada_0_{k}_{k}": {**own, "frames": 30 + k} for k in range(3)}
        folder = finish(runs, STEPS[place], {metric: value, "n": 3}, units)
        if shards:
            write_shard(folder, runs)
    return runs


@pytest.fixture(scope="module")
def untouched(tmp_path_factory) -> Path:
    return fill(tmp_path_factory.mktemp("untouched"), STEPS)


@pytest.fixture
def runs(untouched, tmp_path) -> Path:
    return Path(shutil.copytree(untouched, tmp_path / "runs"))


def everything(runs: Path) -> list[tuple]:
    return open_scores(runs).ask(EVERYTHING).rows


def test_the_question_of_the_help_text_is_answered(runs):
    answer = open_scores(runs).ask("SELECT method, avg(value) FROM scores WHERE metric = 'fgd' GROUP BY 1 ORDER BY 1")
    means = {
        method: sum(value_of("fgd", seed, label) for seed in (0, 1)) / 2
        for method, label in (("rag_gesture", "RAG | ours"), ("random_clip", "Random"))
    }
    assert dict(answer.rows) == pytest.approx(means, rel=1e-15)


def test_every_evaluation_has_its_whole_and_its_units(runs):
    scores = open_scores(runs)
    assert scores.ask("SELECT count(*) FROM scores WHERE unit IS NULL").rows == [(len(STEPS),)]
    assert scores.ask("SELECT count(*) FROM scores WHERE unit IS NOT NULL").rows == [(len(STEPS) // 2 * 3,)]
    assert scores.ask("SELECT config->>'$.scope.per' FROM scores GROUP BY 1").rows == [("speech",)]
    assert scores.ask("DESCRIBE scores").rows[0][0] == next(iter(FIELDS))


@pytest.mark.parametrize("missing", [1, 3, len(STEPS)])
def test_evaluations_without_a_shard_give_the_same_rows(runs, tmp_path, missing):
    expected = everything(runs)
    for path in sorted((runs / "evaluate").glob(f"*/{SHARD}"))[:missing]:
        path.unlink()
    before = sorted(tmp_path.rglob("*"))
    assert everything(runs) == expected
    assert sorted(tmp_path.rglob("*")) == before, "asking must not write"


def test_two_stores_that_are_copied_together_give_the_union(tmp_path):
    places = list(STEPS)
    ours, theirs = fill(tmp_path / "ours", places[:5]), fill(tmp_path / "theirs", places[3:], shards=False)
    whole = fill(tmp_path / "whole", places)
    shutil.copytree(theirs, ours, dirs_exist_ok=True)
    assert everything(ours) == everything(whole)
    assert list(check_stores([ours])) == []


def test_shards_alone_are_enough(runs, tmp_path):
    """Whoever copies nothing but `evaluate/*/scores.parquet` can still ask."""
    for path in (runs / "evaluate").glob(f"*/{SHARD}"):
        target = tmp_path / "copy" / path.relative_to(runs)
        target.parent.mkdir(parents=True)
        shutil.copyfile(path, target)
    assert everything(tmp_path / "copy") == everything(runs)


def test_a_grid_s_labels_take_the_place_of_the_first_ones_and_an_evaluation_may_be_in_two_rows(runs):
    key = STEPS["fgd", 0, "Random"].key
    scores = open_scores(runs, [Named(key, "Noise"), Named(key, "Noise again"), Named("f" * 24, "not run yet")])
    assert scores.ask("SELECT label, seed FROM scores ORDER BY 1").rows == [("Noise", 0), ("Noise again", 0)]


def test_a_folder_with_signs_that_mean_something_in_patterns(tmp_path):
    runs = fill(tmp_path / "it's [a] *?" / "runs", list(STEPS)[:3])
    assert len(everything(runs)) == len(everything(fill(tmp_path / "plain", list(STEPS)[:3])))


def test_shards_of_an_older_schema_are_read_with_nulls(runs, tmp_path):
    path = next((runs / "evaluate").glob(f"*/{SHARD}"))
    older = tmp_path / "older.parquet"
    duckdb.execute(f"COPY (SELECT * EXCLUDE (batch_divisor) FROM '{path}') TO '{older}'")
    shutil.move(older, path)
    assert open_scores(runs).ask("SELECT count(*) FROM scores WHERE batch_divisor IS NULL").rows[0][0] in (1, 4)


def test_a_broken_shard_is_named(runs):
    path = next((runs / "evaluate").glob(f"*/{SHARD}"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=f"{path}: no readable shard.*delete this file"):
        open_scores(runs).ask("SELECT avg(value) FROM scores")


def test_a_broken_record_costs_its_evaluation_alone(runs):
    folder = STEPS["fgd", 0, "Random"].folder(runs)
    (folder / SHARD).unlink()
    write_json(folder / "record.json", {"metrics": {}})
    scores = open_scores(runs)
    assert [sentence.partition(":")[0] for sentence in scores.left_out] == [folder.name]
    assert scores.ask("SELECT count(*) FROM scores WHERE unit IS NULL").rows == [(len(STEPS) - 1,)]


def test_an_empty_store_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match=r"no finished evaluation; run `gesturebench run demo`"):
        open_scores(tmp_path)


FAULTS = {
    "SELECT methd FROM scores": r"unknown column at position 8 'methd'; expected one of .*did you mean 'method'",
    "SELECT method,\n avg(valu) FROM scores GROUP BY 1": "unknown column at position 21 'valu'.*did you mean 'value'",
    "SELEC method FROM scores": r"SQL at position 1 \('SELEC.*syntax error.*expected a query of scores\(method, ",
    "SELECT * FROM score": "SQL at position 15 .*did you mean scores",
    "SELECT avgg(value) FROM scores": "SQL at position 8 .*avgg.*did you mean avg",
    "SELECT metric + 1 FROM scores": "SQL at position 15 .*No function matches",
    "SELECT method FROM scores GROUP BY metric": "SQL at position 8 .*must appear in the GROUP BY",
    "SELECT CAST(metric AS int) FROM scores": "SQL at position 8 .*Could not convert string",
    "SELECT 'a": "unterminated",
}


def test_a_time_with_a_zone_says_how_it_can_be_had(untouched):
    scores = open_scores(untouched)
    with pytest.raises(InputError, match=r"time zone; .*now\(\)::TIMESTAMP"):
        scores.ask("SELECT now()")
    assert len(scores.ask("SELECT now()::TIMESTAMP").rows) == 1


def test_nothing_is_fetched_from_the_network(untouched):
    with pytest.raises(InputError) as caught:
        open_scores(untouched).ask("SELECT * FROM 'http://localhost:1/x.parquet'")
    assert "download" not in str(caught.value)


@pytest.mark.parametrize("query", FAULTS)
def test_faults_of_a_query_are_one_line_with_the_place(untouched, tmp_path, query):
    scores = open_scores(untouched)
    for act in (scores.ask, lambda query: scores.write(query, tmp_path / "out.csv", "csv")):
        with pytest.raises(InputError, match=FAULTS[query]) as caught:
            act(query)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 900
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "query",
    ["", "-- nothing", "SELECT 1; SELECT 2", "DROP VIEW scores", "COPY scores TO 'x.csv'", "SET threads = 3",
     "ATTACH 'x.db'", "CREATE TABLE x AS SELECT 1"],
)  # fmt: skip
def test_anything_but_one_select_is_refused(untouched, tmp_path, monkeypatch, query):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="expected one SELECT: scores are only read"):
        open_scores(untouched).ask(query)
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_what_is_written_is_what_was_asked(runs, tmp_path, ending):
    scores, out = open_scores(runs), tmp_path / f"it's.{ending}"
    query = "SELECT label, seed, value FROM scores WHERE metric = 'bc' ORDER BY ALL -- all of it"
    rows = scores.ask(query).rows
    assert scores.write(query, out, ending) == len(rows)
    readers = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json"}
    path = str(out).replace("'", "''")
    assert duckdb.sql(f"SELECT * FROM {readers[ending]}('{path}')").fetchall() == rows


ANSWER = Answer(
    ("label", "mean", "n", "config", "started"),
    ("VARCHAR", "DOUBLE", "BIGINT", "JSON", "TIMESTAMP"),
    [
        ("a|b", 0.1 + 0.2, 3, '{"x": 1}', datetime(2026, 1, 2, 3, 4, 5)),
        ("two\nlines", math.nan, None, None, None),
    ],
)


def test_answers_on_the_terminal_are_aligned():
    assert to_terminal(ANSWER).splitlines() == [
        "label      mean  n  config    started",
        "---------  ----  -  --------  -------------------",
        'a|b         0.3  3  {"x": 1}  2026-01-02 03:04:05',
        "two lines   nan  -  -         -",
        "(2 rows)",
    ]


def test_answers_in_markdown_escape_what_ends_a_cell():
    assert to_markdown(ANSWER).splitlines()[1:3] == [
        "| --- | ---: | ---: | --- | --- |",
        r'| a\|b | 0.3 | 3 | {"x": 1} | 2026-01-02 03:04:05 |',
    ]


def test_answers_in_csv_and_json_have_every_digit():
    assert list(csv.reader(io.StringIO(to_csv(ANSWER))))[1][:3] == ["a|b", "0.30000000000000004", "3"]
    first, second = json.loads(to_json(ANSWER))
    assert first == {"label": "a|b", "mean": 0.1 + 0.2, "n": 3, "config": {"x": 1}, "started": "2026-01-02T03:04:05"}
    assert second["mean"] is None


def change(folder: Path, **numbers: float) -> None:
    record = read_json(folder / "record.json")
    write_json(folder / "record.json", {**record, "metrics": {**record["metrics"], **numbers}})


def test_a_shard_that_disagrees_with_its_record_is_found(runs):
    folder = STEPS["bc", 1, "Random"].folder(runs)
    change(folder, bc=0.123)
    (fault,) = check_stores([runs])
    assert f"{folder / SHARD} and record.json differ (bc: Random)" in fault
    assert "bc of all units is 0.6433333333333333 and 0.123" in fault


def test_equal_keys_with_unequal_numbers_are_found(runs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(runs, other)
    assert list(check_stores([runs, other])) == []
    folder = STEPS["bc", 0, "Random"].folder(other)
    units = read_json(folder / "per_clip.json")
    units["1_ada_0_2_2"]["bc"] += 1e-9
    write_json(folder / "per_clip.json", units)
    (folder / SHARD).unlink()
    (fault,) = check_stores([runs, other])
    assert f"{STEPS['bc', 0, 'Random'].folder(runs)} and {folder} differ" in fault
    assert "bc of 1_ada_0_2_2" in fault


def test_a_copy_under_another_name_is_found(runs):
    folder = STEPS["fgd", 0, "Random"].folder(runs)
    shutil.copytree(folder, folder.with_name("copy"))
    (fault,) = check_stores([runs])
    assert f"copy: holds evaluation {folder.name}, whose scores are counted again" in fault


@pytest.mark.parametrize("damage", ["record.json", "per_clip.json", SHARD])
def test_damaged_files_are_faults_by_name(runs, damage):
    folder = STEPS["fgd", 0, "Random"].folder(runs)
    (folder / damage).write_bytes(b"{")
    (fault,) = check_stores([runs])
    assert str(folder / damage) in fault
