"""Columns of an embedding that did not pass its gate say so and carry no marks; draws have intervals of their own."""

import pytest

from gesturebench.benchmarks.grid import Row
from gesturebench.benchmarks.state import RunStore
from gesturebench.common.files import read_json, write_json
from gesturebench.results.table import build_table
from tests.results import made_up

ROWS = (
    made_up.TRUTH,
    Row(label="good", method="random_clip", config={"per": "clip"}),
    Row(label="bad", method="random_clip"),
)
METRICS = ("mm_distance", "embedding_fid", "r_precision")


def table(tmp_path, *, informative: bool, seeds: tuple[int, ...]):
    """Two rows far apart in every column; R-precision has no values by clip, but an interval of its draws."""
    plan, store = made_up.planned(rows=ROWS, metrics=METRICS, seeds=seeds), RunStore(tmp_path)
    made_up.fill(plan, store, lambda cell, key: {"Ground truth": 0.0, "good": 1.0, "bad": 9.0}[cell.row.label])
    for cell in plan.cells:
        for metric, step in cell.evaluate.items():
            path = step.folder(tmp_path) / "record.json"
            record = read_json(path)
            compares = {} if metric == "embedding_fid" else {"informative": informative}
            write_json(path, record | {"metrics": record["metrics"] | compares | {"r_precision_1_interval": 0.25}})
            if metric == "r_precision":
                write_json(step.folder(tmp_path) / "per_clip.json", {})
    return build_table([plan], store)


@pytest.mark.parametrize("informative", [True, False])
def test_headings_marks_and_a_remark(tmp_path, informative):
    found = table(tmp_path, informative=informative, seeds=(0, 1))
    headings = {column.key: column.heading for column in found.columns}
    assert (headings["mm_distance"] == "MM Dist") == informative
    assert (headings["r_precision_3"] == "R@3 (not informative)") != informative
    assert headings["embedding_fid"] == "FID"
    marks = {key: [line.entries[key].mark for line in found.lines] for key in headings}
    assert "best" in marks["embedding_fid"]
    assert ("best" in marks["mm_distance"]) == informative
    told = [remark for remark in found.remarks if "captured motion is not found from its speech" in remark]
    assert bool(told) != informative


def test_one_seed_has_the_interval_of_its_draws_and_several_have_theirs(tmp_path):
    one = table(tmp_path / "one", informative=True, seeds=(0,))
    number = one.lines[0].entries["r_precision_1"].number
    assert (number.interval, number.half_width) == ("draws", 0.25)
    assert one.lines[0].entries["r_precision_2"].number.interval == "none"
    assert one.lines[0].entries["mm_distance"].number.interval == "clips"
    assert any("replications of its draws for r_precision_1" in remark for remark in one.remarks)
    more = table(tmp_path / "more", informative=True, seeds=(0, 1))
    assert more.lines[-1].entries["r_precision_1"].number.interval == "seeds"
