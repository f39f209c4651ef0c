"""What generation cost stands beside the numbers: means over seeds, by row, from the records of generation."""

import csv
import io

import pytest

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.files import read_json, write_json
from gesturebench.results.costs import Cost, costed, costs_of
from gesturebench.results.render import render
from gesturebench.results.table import build_table
from tests.results import made_up

CLIP = Row(label="clip", method="random_clip", config={"per": "clip"})
WINDOW = Row(label="window", method="random_clip")


@pytest.fixture
def filled(tmp_path):
    """Two seeds of two rows; one row's second seed was generated before costs were recorded."""
    plan, store = made_up.planned(rows=(CLIP, WINDOW), metrics=("fgd",), seeds=(0, 1)), RunStore(tmp_path)
    made_up.fill(plan, store, lambda cell, key: 1.0)
    for cell in plan.cells:
        folder = cell.generate.folder(tmp_path)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "record.json"
        record = read_json(path) if path.exists() else {"status": "done", "key": cell.generate.key}
        cost = {"seconds": 2.0 + cell.seed, "frames": 600, "evaluations": 90.0 + 10 * cell.seed}
        write_json(path, record if cell.row is CLIP and cell.seed else record | {"cost": cost})
    return plan, RunStore(tmp_path)


def test_means_over_the_seeds_that_say_so(filled):
    costs = costs_of([filled[0]], filled[1])
    assert costs == {"clip": Cost(0.1, 90.0), "window": Cost(pytest.approx(0.125), 95.0)}


def test_every_form_of_the_table_shows_them_and_no_number_changes(filled):
    plan, store = filled
    table = build_table([plan], store)
    sheet = costed(table, costs_of([plan], store) | {"clip": Cost()})
    markdown = render(sheet, "markdown")
    for shown in ("| s per s ↓ | evaluations ↓ |", "| 0.125 | 95.0 |", "| - | - |"):
        assert shown in markdown
    assert "as it was while the grid ran" in markdown
    lines = list(csv.DictReader(io.StringIO(render(sheet, "csv"))))
    plain = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert lines[: len(plain)] == plain
    assert [(line["row"], line["column"], float(line["mean"])) for line in lines[len(plain) :]] == [
        ("window", "seconds_per_second", pytest.approx(0.125)),
        ("window", "evaluations", 95.0),
    ]
