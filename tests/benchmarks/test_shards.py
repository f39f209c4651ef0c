"""Shards and scores of many evaluations: what databases and tables read is what the record says, digit for digit."""

import errno
import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from gesturebench.benchmarks import score_cache, shards
from gesturebench.benchmarks.score_cache import CACHE, read_scores
from gesturebench.benchmarks.shards import FIELDS, SHARD, read_shard, write_shard
from gesturebench.benchmarks.state import PER_CLIP, RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_json, write_json
from tests.benchmarks.evaluations import evaluation, finish, leave_motion

UNITS = {
    "1_ada_0_1_1/0": {"bc": 0.1 + 0.2, "bc_n": 3, "frames": 300},
    "1_ada_0_1_1/1": {"bc": 0.7, "bc_n": 1, "frames": 300},
    "2_bo_0_2_2/0": {"frames": 300},
}
"""Windows of two clips; the second has no beats. 0.1 + 0.2 is a number that needs all of its seventeen digits."""


STEP = evaluation("bc")


@pytest.fixture
def folder(tmp_path):
    return finish(tmp_path, STEP, {"bc": 0.4, "n": 2, "skipped": 1}, UNITS)


def rows_of(folder, where="true"):
    found = duckdb.sql(f"SELECT * FROM '{folder / SHARD}' WHERE {where}")
    return [dict(zip(found.columns, row)) for row in found.fetchall()]


def test_a_shard_holds_the_whole_and_every_unit_that_has_a_value(folder, tmp_path):
    write_shard(folder, tmp_path)
    whole, *units = rows_of(folder)
    assert (whole["value"], whole["n"], whole["frames"], whole["unit"], whole["clip"]) == (0.4, 2, 900, None, None)
    assert [(row["unit"], row["clip"], row["value"], row["n"], row["frames"]) for row in units] == [
        ("1_ada_0_1_1/0", "1_ada_0_1_1", 0.1 + 0.2, 3, 300),
        ("1_ada_0_1_1/1", "1_ada_0_1_1", 0.7, 1, 300),
    ]


def test_every_row_carries_the_passport(folder, tmp_path):
    write_shard(folder, tmp_path)
    record, config = read_json(folder / "record.json"), STEP.inputs["motions"].spec["config"]
    for row in rows_of(folder):
        assert list(row) == list(FIELDS)
        for name in ("protocol_hash", "bound_hash", "data", "is_standin", "device", "threads", "host", "duration_s"):
            assert row[name] == record[name], name
        assert (row["commit"], row["dirty"]) == ("c0ffee", True)
        assert (row["method"], row["label"], row["seed"], row["query"]) == ("random_clip", "Random", 5, "none")
        assert json.loads(row["config"]) == config
        assert row["config_hash"] == sha256_json(config)[:12]
        assert json.loads(row["facts"]) == {"skipped": 1}
        assert row["started"].isoformat() == "2026-01-02T03:04:05"
        assert (row["evaluate_key"], row["generate_key"]) == (record["key"], record["inputs"]["motions"])


def test_a_metric_without_values_by_unit_has_one_row(tmp_path):
    folder = finish(tmp_path, evaluation("fgd"), {"fgd": 3.5, "n": 2, "encoder": "abc"}, {"a": {"frames": 10}})
    write_shard(folder, tmp_path)
    (row,) = rows_of(folder)
    assert (row["column_key"], row["value"], row["encoder"]) == ("fgd", 3.5, "abc")


def test_a_number_that_does_not_exist_is_null(tmp_path):
    folder = finish(tmp_path, evaluation("bc"), {"bc": None, "n": 0}, {"a": {"frames": 10}})
    write_shard(folder, tmp_path)
    assert [row["value"] for row in rows_of(folder)] == [None]


def test_a_batch_that_was_halved_anywhere_on_the_way_is_told(folder, tmp_path):
    assert read_shard(folder, tmp_path).passport["batch_divisor"] == 1
    write_json(tmp_path / "fit" / "vae" / "record.json", {"inputs": {}, "batch_divisor": 2})
    write_json(tmp_path / "fit" / "denoiser" / "record.json", {"inputs": {"vae": "vae"}})
    leave_motion(tmp_path, STEP.inputs["motions"], inputs={"denoiser": "denoiser", "store": "s"})
    assert read_shard(folder, tmp_path).passport["batch_divisor"] == 2


def test_a_metric_s_encoder_of_half_the_batch_is_told(tmp_path):
    encoder = Step("fit", "fgd encoder", {}, {})
    scored = evaluation("fgd")
    step = replace(scored, inputs={**scored.inputs, "encoder": encoder})
    folder = finish(tmp_path, step, {"fgd": 3.5, "n": 2}, {"a": {"frames": 10}})
    assert read_shard(folder, tmp_path).passport["batch_divisor"] == 1
    write_json(tmp_path / "fit" / encoder.key / "record.json", {"inputs": {}, "batch_divisor": 2})
    assert read_shard(folder, tmp_path).passport["batch_divisor"] == 2


def test_evaluations_without_their_motions_keep_what_is_known(folder, tmp_path):
    shutil.rmtree(tmp_path / "generate")
    passport = read_shard(folder, tmp_path).passport
    assert (passport["method"], passport["seed"], passport["metric"]) == (None, None, "bc")
    assert passport["label"] == "Random (seed 5)"


def test_a_quote_in_the_folder_is_no_end_of_a_string(tmp_path):
    runs = tmp_path / "it's; DROP"
    folder = finish(runs, evaluation("bc"), {"bc": 0.4, "n": 2}, UNITS)
    write_shard(folder, runs)
    assert (folder / SHARD).is_file()
    assert not list(folder.glob(".*"))


def test_a_shard_that_cannot_be_written_leaves_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_database", lambda: duckdb.connect(config={"max_memory": "1KB"}))
    with pytest.raises(duckdb.Error):
        write_shard(folder, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["per_clip.json", "record.json"]


def test_a_full_disk_is_the_system_s_own_error(folder, tmp_path):
    with pytest.raises(OSError, match="No space left") as caught:
        shards._copy(read_shard(folder, tmp_path), Path("/dev/full"))
    assert caught.value.errno == errno.ENOSPC


def looped(units, column):
    """The definition of values and weights by clip, as a loop."""
    totals, weights = {}, {}
    for unit, values in units.items():
        if column in values:
            clip, weight = unit.split("/")[0], values.get(f"{column}_n", values["frames"])
            totals[clip] = totals.get(clip, 0.0) + weight * values[column]
            weights[clip] = weights.get(clip, 0.0) + weight
    return {clip: (totals[clip] / weights[clip] if weights[clip] else 0.0, weights[clip]) for clip in weights}


@pytest.mark.parametrize("column", ["bc", "l1div", "absent"])
def test_scores_by_clip_are_those_of_the_loop_to_the_bit(tmp_path, column):
    rng = np.random.default_rng(0)
    units = {
        f"{clip}_x_0_1_1/{k}": {
            **({"bc": rng.normal(), "bc_n": int(rng.integers(0, 3))} if rng.random() > 0.3 else {}),
            "l1div": rng.normal(),
            "frames": int(rng.integers(30, 300)),
        }
        for clip in range(9)
        for k in range(4)
    }
    step = evaluation("bc")
    finish(tmp_path, step, {"bc": 0.0, "n": 1}, units)
    clips, values, weights = RunStore(tmp_path).scores([step])[step.key].by_clip(column)
    assert {clip: (v, w) for clip, v, w in zip(clips, values, weights)} == looped(units, column)


def many(runs, n):
    """Evaluations of two metrics, of two lists of units."""
    files = {}
    for i in range(n):
        units = {f"c{k}": {"bc": i + k / 7, "frames": 10} for k in range(2 + i % 2)}
        if i % 3 == 0:
            units = {unit: {"l1div": values["bc"], "l1div_n": 2, "frames": 10} for unit, values in units.items()}
        files[str(i)] = runs / f"{i}.json"
        write_json(files[str(i)], units)
    return files


def as_lists(scores):
    return {key: (found.units, {c: v.tolist() for c, v in found.values.items()}) for key, found in scores.items()}


def test_the_cache_gives_what_the_files_say_even_after_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr(score_cache, "WORTH_WRITING", 3)
    files = many(tmp_path, 12)
    first = as_lists(read_scores(files, tmp_path))
    assert (tmp_path / CACHE / "unit_scores.npz").is_file()
    with monkeypatch.context() as patch:
        patch.setattr(score_cache, "parse", lambda *_: pytest.fail("parsed again"))
        assert as_lists(read_scores(files, tmp_path)) == first
    stat = files["4"].stat()
    before = files["4"].read_text()
    files["4"].write_text(before.replace("10", "20"))
    os.utime(files["4"], ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size, same time, other content
    again = as_lists(read_scores(files, tmp_path))
    assert again.pop("4")[1]["frames"] == [20.0] * 2
    assert again == {key: value for key, value in first.items() if key != "4"}


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", None], ids=["empty", "no archive", "cut"])
def test_a_broken_cache_is_read_past_and_replaced(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(score_cache, "WORTH_WRITING", 3)
    files = many(tmp_path, 6)
    first = as_lists(read_scores(files, tmp_path))
    cache = tmp_path / CACHE / "unit_scores.npz"
    whole = cache.read_bytes()
    cache.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert as_lists(read_scores(files, tmp_path)) == first
    assert len(cache.read_bytes()) == len(whole)


def test_a_store_that_cannot_be_written_is_read_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(score_cache, "WORTH_WRITING", 1)
    files = many(tmp_path, 3)
    (tmp_path / CACHE).write_text("a file where the cache would be")
    assert math.isclose(read_scores(files, tmp_path)["1"].values["bc"][0], 1.0)


@pytest.mark.parametrize("text", ["[1, 2]", '{"a": 3}', "{", '{"a": {"bc": "high"}}', '{"a": {"bc": 0.5}}'])
def test_scores_that_are_none_are_refused_by_the_name_of_the_file(tmp_path, text):
    step = evaluation("bc")
    folder = finish(tmp_path, step, {"bc": 0.0, "n": 1}, {})
    (folder / PER_CLIP).write_text(text)
    with pytest.raises(InputError, match=f"{PER_CLIP}: no scores by unit.*delete"):
        RunStore(tmp_path).scores([step])


def test_only_what_is_done_is_read_and_once(tmp_path):
    done, open_ = evaluation("bc"), evaluation("bc", seed=6)
    finish(tmp_path, done, {"bc": 0.4, "n": 2}, UNITS)
    store = RunStore(tmp_path)
    assert [step.key for step in store.finished([done, open_, done])] == [done.key]
    assert store.records([done, open_]) == {done.key: store.record(done)}
    assert list(store.scores([done, open_])) == [done.key]
