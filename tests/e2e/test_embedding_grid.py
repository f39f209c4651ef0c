"""Metrics on embeddings in a grid, from data to table: one encoder, the ceiling and the floor beside each other."""

import pytest
from rich.console import Console

from gesturebench.benchmarks.grid import Grid, Row
from gesturebench.benchmarks.plan import make_plan
from gesturebench.benchmarks.runner import Runner
from gesturebench.benchmarks.source import find_source
from gesturebench.benchmarks.state import RunStore
from gesturebench.benchmarks.view import PlainView
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.embedding.artifact import read_gate
from gesturebench.common.files import read_json
from gesturebench.results.table import build_table

SIZES = StandinPreset(speakers=2, clips=8, sentences=6, test_share=0.625)
METRICS = ("embedding_fid", "mm_distance", "r_precision")
GRID = Grid(
    title="Embeddings",
    data="standin:tiny",
    protocol="standin",
    preset="tiny",
    metrics=METRICS,
    rows=(
        Row(label="Captured", method="ground_truth", group="anchor"),
        Row(label="Shuffled", method="random_clip", group="anchor", config={"per": "clip"}),
    ),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The finished plan, and where it was run."""
    root, runs = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("runs")
    generate_corpus(SIZES, root, workers=1)
    plan = make_plan(GRID, find_source(str(root), None, runs))
    outcome = Runner(runs, 1, PlainView(Console(quiet=True))).run(plan.steps)
    assert not outcome.failed, outcome.failed
    return plan, runs


def test_one_encoder_serves_all_metrics_and_rows(made):
    plan, runs = made
    (fit,) = [step for step in plan.steps if step.kind == "fit"]
    records = [read_json(step.folder(runs) / "record.json") for step in plan.steps if step.kind == "evaluate"]
    assert len(records) == 2 * len(METRICS)
    assert {record["inputs"]["encoder"] for record in records} == {fit.key}
    assert len({record["metrics"]["encoder"] for record in records}) == 1
    assert len({record["metrics"]["n"] for record in records}) == 1


def test_the_table_says_what_the_gate_said(made):
    plan, runs = made
    gate = read_gate(next(step for step in plan.steps if step.kind == "fit").folder(runs))
    table = build_table([plan], RunStore(runs))
    marked = {column.key for column in table.columns if "not informative" in column.heading}
    compared = {"mm_distance", "r_precision_1", "r_precision_2", "r_precision_3"}
    assert marked == (set() if gate.informative else compared)
    assert any("captured motion is not found" in remark for remark in table.remarks) == (not gate.informative)


def test_captured_motion_bounds_the_scale_and_draws_have_intervals(made):
    plan, runs = made
    table = build_table([plan], RunStore(runs))
    captured, shuffled = ({key: e.number for key, e in line.entries.items()} for line in table.lines)
    assert captured["embedding_fid"].mean == 0 < shuffled["embedding_fid"].mean
    assert captured["mm_distance"].interval == "clips"
    assert captured["embedding_fid"].interval == "none"
    assert captured["r_precision_3"].interval == "draws"
    assert captured["r_precision_3"].half_width > 0
    assert any("replications of its draws for r_precision_1" in remark for remark in table.remarks)
