"""The runner: what it adds to each step, a plan in which everything is there, and the states of many steps.

A step's overhead is the time of a run of many trivial steps less that of one, per further step: claim, attempt, worker,
record, publication, tidying. The slow side of the states asks the store for each step by itself, as a loop over steps
would.
"""

import os
import time
from pathlib import Path

import pytest
from rich.console import Console

from gesturebench.benchmarks.claims import Claims
from gesturebench.benchmarks.runner import Runner
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.view import PlainView

from .trivial_steps import execute, finish, plan

STEPS = int(os.environ.get("GESTUREBENCH_BENCH_STEPS", "200"))
PLAN = 10_000


def seconds_of_run(runs: Path, steps, workers: int = 1) -> float:
    begun = time.perf_counter()
    outcome = Runner(runs, workers, PlainView(Console(quiet=True)), execute).run(steps)
    assert outcome.exit_code == 0
    assert len(outcome.made) + len(outcome.cached) == len(steps)
    return time.perf_counter() - begun


@pytest.mark.parametrize("workers", [1, 2])
def test_overhead_per_step(benchmark, tmp_path, workers):
    one, many = plan(6)[:1], plan(STEPS)
    start_s = seconds_of_run(tmp_path / "one", one, workers)
    whole_s = benchmark.pedantic(seconds_of_run, (tmp_path / "many", many, workers), rounds=1)
    benchmark.extra_info |= {
        "steps": len(many),
        "start_s": start_s,
        "overhead_ms_per_step": 1e3 * (whole_s - start_s) / (len(many) - 1),
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, tuple]:
    """A store in which every step of a large plan is finished."""
    runs, steps = tmp_path_factory.mktemp("runs"), plan(PLAN)
    finish(steps, runs)
    return runs, steps


def test_nothing_to_do(benchmark, whole):
    runs, steps = whole
    benchmark.extra_info["steps"] = len(steps)
    benchmark.pedantic(seconds_of_run, (runs, steps), rounds=3)


def test_states_against_a_loop(versus, whole):
    """Besides finished steps there are 100 in somebody's hands."""
    runs, steps = whole
    extra = plan(PLAN + 120)[len(steps) :]
    claims, store = Claims(runs), RunStore(runs)
    for step in extra[:100]:
        claims.take(step.key)

    def one_by_one() -> None:
        for step in (*steps[:200], *extra):
            store.status(step)

    assert len(store.states((*steps, *extra))) == len(steps) + len(extra)
    versus(lambda: store.states((*steps, *extra)), one_by_one, rounds=3)
    claims.close()
