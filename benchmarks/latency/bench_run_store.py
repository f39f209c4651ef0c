"""A run store of 10 000 finished evaluations of 100 units each: reading them all at once and one by one, asking them in
SQL, and writing a shard.

The store is made up; its files have the size of real ones.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from gesturebench.benchmarks.score_cache import CACHE
from gesturebench.benchmarks.shards import SHARD, read_shard, write_shard
from gesturebench.benchmarks.state import PER_CLIP, RECORD, RunStore
from gesturebench.benchmarks.step import Step
from gesturebench.common.files import read_json
from gesturebench.results.query import Named, open_scores

EVALUATIONS, UNITS = 10_000, 100
SHARDS = 300
"""So many evaluations have a shard: writing all would take longer than the measurement."""


def made_up(number: int) -> Step:
    """Ten evaluations for each of 1000 motions."""
    spec = {"method": "random_clip", "config": {"number": number // 10}, "seed": number // 10 % 10, "query": "none"}
    generate = Step("generate", f"Row {number // 100} (seed {spec['seed']})", spec)
    return Step("evaluate", f"bc: {generate.label}", {"metric": "bc", "version": number % 10, "config": {}},
                {"motions": generate})  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> tuple[RunStore, list[Step]]:
    runs, rng = tmp_path_factory.mktemp("runs"), np.random.default_rng(0)
    steps = [made_up(number) for number in range(EVALUATIONS)]
    clips = [f"{k % 25}_speaker_0_{k}_{k}" for k in range(UNITS)]
    for number, step in enumerate(steps):
        values = rng.normal(size=UNITS).tolist()
        units = {clip: {"bc": value, "bc_n": 17, "frames": 300} for clip, value in zip(clips, values)}
        leave(runs, step, units, {"bc": float(np.mean(values)), "n": UNITS, "skipped": 0, "frames": 300 * UNITS})
        if number < SHARDS:
            write_shard(step.folder(runs), runs)
    return RunStore(runs), steps


def leave(runs: Path, step: Step, units: dict, numbers: dict) -> None:
    folder, generate = step.folder(runs), step.inputs["motions"]
    protocol = {f"setting {k}": {"of": "a metric", "value": k} for k in range(40)}
    record = {
        "status": "done", "kind": "evaluate", "key": step.key, "label": step.label, "spec": dict(step.spec),
        "inputs": {"motions": generate.key}, "metrics": numbers, "clips": UNITS, "frames": 300 * UNITS,
        "protocol": "beat2", "protocol_hash": "57c76ab00a44", "definition": protocol, "bound": {"encoders": {}},
        "bound_hash": "0123456789ab", "data": "f" * 64, "is_standin": False, "device": "cpu", "threads": 1,
        "host": "node", "started": "2026-01-02T03:04:05Z", "duration_s": 1.5, "versions": {"torch": "2.5"},
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True))
    (folder / PER_CLIP).write_text(json.dumps(units, indent=1, sort_keys=True))
    if not (generate.folder(runs) / RECORD).exists():
        generate.folder(runs).mkdir(parents=True)
        made = {"spec": dict(generate.spec), "label": generate.label, "inputs": {}}
        (generate.folder(runs) / RECORD).write_text(json.dumps(made))


def looped(units: dict, column: str) -> tuple[list[float], list[float]]:
    """Value and weight by clip, as a loop over the units."""
    totals: dict[str, float] = {}
    weights: dict[str, float] = {}
    for unit, values in units.items():
        clip, weight = unit.split("/")[0], values[f"{column}_n"]
        totals[clip] = totals.get(clip, 0.0) + weight * values[column]
        weights[clip] = weights.get(clip, 0.0) + weight
    return [totals[clip] / weights[clip] for clip in weights], list(weights.values())


def test_scores_by_clip_of_all_evaluations(store, versus, benchmark):
    found, steps = store

    def at_once() -> list:
        return [scores.by_clip("bc") for scores in found.scores(steps).values()]

    def one_by_one() -> list:
        return [looped(read_json(step.folder(found.runs) / PER_CLIP), "bc") for step in steps]

    for (_, values, weights), (expected, expected_weights) in zip(at_once()[:50], one_by_one()[:50]):
        np.testing.assert_allclose(values, expected, rtol=1e-15)
        np.testing.assert_array_equal(weights, expected_weights)
    versus(at_once, one_by_one, rounds=3)
    benchmark.extra_info["cache_MB"] = sum(p.stat().st_size for p in (found.runs / CACHE).iterdir()) / 1e6


def test_records_of_all_evaluations(store, versus):
    """One by one every step is also asked whether it is done."""
    found, steps = store

    def one_by_one() -> list:
        return [found.record(step) for step in steps if found.is_done(step)]

    assert list(found.records(steps).values())[:50] == one_by_one()[:50]
    versus(lambda: found.records(steps), one_by_one, rounds=3)


def test_states_of_all_evaluations(store, versus):
    """Against a hundred of them one by one."""
    found, steps = store

    def one_by_one() -> list[str]:
        return [found.status(step) for step in steps[:100]]

    assert {state.status for state in found.states(steps).values()} == {"done"} == set(one_by_one())
    versus(lambda: found.states(steps), one_by_one, rounds=3)


def test_a_question_to_three_hundred_shards(store, versus):
    """Against the same means from the JSON files."""
    found, steps = store
    keys = {step.key for step in steps[:SHARDS]}
    question = "SELECT label, avg(value) FROM scores WHERE unit IS NOT NULL GROUP BY 1 ORDER BY 1"

    def in_sql() -> list:
        named = [Named(step.key, step.inputs["motions"].label) for step in steps[:SHARDS]]
        return open_scores(found.runs, named).ask(question).rows

    def in_json() -> int:
        return sum(len(read_json(found.runs / "evaluate" / key / PER_CLIP)) for key in keys)

    assert len(in_sql()) == SHARDS // 10
    versus(in_sql, in_json, rounds=3)


def test_building_a_shard(store, benchmark):
    found, steps = store
    folder = steps[0].folder(found.runs)
    shard = benchmark.pedantic(lambda: read_shard(folder, found.runs), rounds=30)
    benchmark.extra_info |= {"rows": len(shard), "bytes": (folder / SHARD).stat().st_size}


def test_building_and_writing_a_shard(store, benchmark):
    found, steps = store
    benchmark.pedantic(lambda: write_shard(steps[0].folder(found.runs), found.runs), rounds=30)
