"""Planning and looking at large grids, beside resolving every cell by itself.

python -m pytest benchmarks/latency/bench_plan.py --benchmark-only -s
"""

from pathlib import Path

import pytest

from gesturebench.benchmarks.forecast import forecast
from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.overview import overview
from gesturebench.benchmarks.plan import Plan, make_plan
from gesturebench.benchmarks.quick import quick_grid
from gesturebench.benchmarks.source import StandinSource
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.step import steps_from_json, steps_to_json

CELLS = 10_000
SAMPLE = 50
"""Cells that the slow way is given: it is linear in them."""


def grid(rows: int, seeds: int) -> Grid:
    """Rows that differ in two settings of sampling, so that they share weights and nothing else."""
    steps = rows // 10
    axes = [{"retrieval.keep": list(range(1, 11))}, {"guidance.lr": [i / steps for i in range(steps)]}]
    row = Row(label="keep {retrieval.keep}, rate {guidance.lr}", method="rag_gesture", axes=axes)
    return Grid(
        title="large", data="standin:tiny", protocol="standin", preset="tiny", seeds=tuple(range(seeds)), rows=(row,)
    )


def planned(rows: int, seeds: int) -> Plan:
    return make_plan(grid(rows, seeds).expanded(), StandinSource("tiny"))


def cell_by_cell(rows: int, seeds: int) -> None:
    """A plan of its own for each of some cells, as a loop over jobs would make it."""
    whole = grid(rows, seeds).expanded()
    for row in whole.rows[: max(1, SAMPLE // seeds)]:
        for seed in whole.seeds[:SAMPLE]:
            make_plan(whole.model_copy(update={"rows": (row,), "seeds": (seed,)}), StandinSource("tiny"))


@pytest.mark.parametrize(("rows", "seeds"), [(CELLS, 1), (CELLS // 10, 10)])
def test_plan(benchmark, versus, rows, seeds):
    """Ratio of the time for one cell."""
    ratio = versus(lambda: planned(rows, seeds), lambda: cell_by_cell(rows, seeds), rounds=3)
    benchmark.extra_info["ratio_per_cell"] = ratio * CELLS / SAMPLE
    benchmark.extra_info["steps"] = len(planned(rows, seeds).steps)


def test_quick_text(benchmark):
    values = ",".join(map(str, range(1, 101)))
    text = f"rag_gesture[retrieval.keep={values}; guidance.schedule=decreasing,increasing; guidance.lr={values}]"
    benchmark.pedantic(lambda: quick_grid(text, "standin:tiny", "standin", "tiny"), rounds=3)


def test_overview(benchmark, tmp_path):
    """States, forecast and sharing of a plan on an empty store: all that the verb does but print."""
    plan, store = planned(CELLS // 10, 10), RunStore(tmp_path)

    def look() -> None:
        overview(plan, store.states(plan.steps), forecast(plan.steps, Path(tmp_path)))

    benchmark.pedantic(look, rounds=3)


def test_json_there_and_back(benchmark):
    plan = planned(CELLS // 10, 10)
    benchmark.pedantic(lambda: steps_from_json(steps_to_json(plan.steps)), rounds=3)
