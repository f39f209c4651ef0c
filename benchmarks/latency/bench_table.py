"""A table over 10 000 finished evaluations: reading, intervals, tests, and the Markdown text.

The slow side reads the same files and draws the same bootstrap row by row, with a draw of its own for every number and
without any test: what the fast side does in addition costs it, not the slow one.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.plan import Plan, make_plan
from gesturebench.benchmarks.source import StandinSource
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.files import read_json
from gesturebench.results.numbers import REPLICATES
from gesturebench.results.render import render
from gesturebench.results.table import build_table

ROWS, SEEDS, METRICS = 500, 5, ("bc", "l1div", "srgr", "face_mse")
CLIPS = int(os.environ.get("GESTUREBENCH_BENCH_CLIPS", "16"))
"""The stand-in has 16 test clips, speaker 2 of BEAT2 has 15, all speakers have 265."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> tuple[Plan, RunStore]:
    rows = [Row(label="Ground truth", method="ground_truth", group="anchor")]
    rows += [
        Row(label=f"rate {i}", method="rag_gesture", config={"guidance": {"lr": i / 1000}}) for i in range(1, ROWS)
    ]
    grid = Grid(
        title="Many", data="standin:tiny", protocol="beat2", preset="tiny", seeds=range(SEEDS), metrics=METRICS,
        rows=tuple(rows),
    )  # fmt: skip
    plan, store = make_plan(grid, StandinSource("tiny")), RunStore(tmp_path_factory.mktemp("runs"))
    _fill(plan, store)
    return plan, store


def _fill(plan: Plan, store: RunStore) -> None:
    """What finished evaluations leave, as plain files."""
    import json

    rng = np.random.default_rng(0)
    passport = {"clips": CLIPS, "bound": {"clips": CLIPS, "clips_hash": "a" * 64}, "versions": {"torch": "2"} | {}}
    for cell in plan.cells:
        for metric, step in cell.evaluate.items():
            values = rng.normal(1, 0.1, CLIPS)
            frames = 300 + 10 * np.arange(CLIPS)
            clips = {f"2_scott_0_{i:03}": {metric: v, "frames": int(f)} for i, (v, f) in enumerate(zip(values, frames))}
            record = passport | {"metrics": {metric: float(np.average(values, weights=frames)), "n": CLIPS}}
            folder = step.folder(store.runs)
            folder.mkdir(parents=True)
            (folder / "per_clip.json").write_text(json.dumps(clips))
            (folder / "record.json").write_text(json.dumps(record | {"spec": dict(step.spec)}))


def _row_by_row(plan: Plan, store: RunStore) -> list[tuple[float, float, float]]:
    found = []
    for row in plan.grid.rows:
        for metric in METRICS:
            folders: list[Path] = [c.evaluate[metric].folder(store.runs) for c in plan.cells_of(row.label)]
            totals = [read_json(folder / "record.json")["metrics"][metric] for folder in folders]
            clips = [list(read_json(folder / "per_clip.json").values()) for folder in folders]
            values = np.array([[clip[metric] for clip in seed] for seed in clips])
            weights = np.array([[clip["frames"] for clip in seed] for seed in clips])
            rng = np.random.default_rng(0)
            n_seeds, n_clips = values.shape
            drawn = rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), REPLICATES)
            seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), REPLICATES)
            means = (seeds * ((drawn @ (weights * values).T) / (drawn @ weights.T))).sum(1) / n_seeds
            found.append((float(np.mean(totals)), *np.quantile(means, [0.025, 0.975])))
    return found


def test_table_over_ten_thousand_records(filled, versus, benchmark):
    plan, store = filled
    ours = [e.number for line in build_table([plan], store).lines for e in line.entries.values()]
    theirs = _row_by_row(plan, store)
    np.testing.assert_allclose([(n.mean, n.low, n.high) for n in ours], theirs, rtol=1e-9)
    versus(lambda: render(build_table([plan], store), "markdown"), lambda: _row_by_row(plan, store), rounds=3)
    benchmark.extra_info |= {"records": ROWS * SEEDS * len(METRICS), "clips": CLIPS}
